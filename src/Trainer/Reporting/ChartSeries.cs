namespace KvShiftScale.Trainer.Reporting;

/// <summary>One line of a chart.</summary>
/// <param name="Name">Name in the legend; empty for none.</param>
/// <param name="Style">How it is drawn.</param>
/// <param name="Points">Points from left to right; one that is not finite interrupts the line.</param>
public sealed record ChartSeries(string Name, ChartSeriesStyle Style, IReadOnlyList<(double X, double Y)> Points)
{
    /// <summary>Colour by number, for charts of several lines; null takes the style's own.</summary>
    public int? Hue { get; init; }
}
