namespace KvShiftScale.Trainer.Reporting;

/// <summary>How a series of a chart is drawn.</summary>
public enum ChartSeriesStyle
{
    /// <summary>A strong line in the first colour.</summary>
    Line,

    /// <summary>A faint line in the first colour, for single values behind their mean.</summary>
    Faint,

    /// <summary>A line with a dot at each point, in the second colour.</summary>
    Dots,

    /// <summary>A dot at each point, in the second colour, where a line between them would say what nobody has measured.</summary>
    Points,
}
