namespace KvShiftScale.Trainer.Telemetry;

/// <summary>How a number stands in <c>metrics.jsonl</c>.</summary>
internal enum MetricForm
{
    /// <summary>Always; null where it is not finite.</summary>
    Number,

    /// <summary>Always; null where there is none.</summary>
    NumberOrNull,

    /// <summary>Left out where there is none; null where it is not finite.</summary>
    Optional,

    /// <summary>Always, an integer.</summary>
    Whole,

    /// <summary>An integer, left out where there is none.</summary>
    OptionalWhole,

    /// <summary>True, or left out.</summary>
    Flag,

    /// <summary>Not at all.</summary>
    None,
}

/// <summary>A number of each logged step: its name in <c>metrics.jsonl</c>, its instrument, and how it is taken.</summary>
internal sealed class StepMetric
{
    /// <param name="index">Place in <see cref="StepMetrics.All"/>.</param>
    /// <param name="name">Key in <c>metrics.jsonl</c>.</param>
    /// <param name="form">How it stands there.</param>
    /// <param name="take">The number from what the steps since the line before have left; null where there is none.</param>
    public StepMetric(int index, string name, MetricForm form, Func<StepWindow, double?> take)
        => (Index, Name, Form, Take) = (index, name, form, take);

    /// <summary>Place in <see cref="StepMetrics.All"/>.</summary>
    public int Index { get; }

    /// <summary>Key in <c>metrics.jsonl</c>.</summary>
    public string Name { get; }

    /// <summary>How it stands there.</summary>
    public MetricForm Form { get; }

    /// <summary>The number from what the steps since the line before have left; null where there is none.</summary>
    public Func<StepWindow, double?> Take { get; }

    /// <summary>Its instrument; null where it has none.</summary>
    public Instrument<StepRecord>? Instrument { get; private init; }

    /// <summary>The same, with an instrument.</summary>
    public StepMetric As(string name, InstrumentKind kind, string unit, MeasuredBy by, string description)
        => new(Index, Name, Form, Take) { Instrument = new Instrument<StepRecord>(name, kind, unit, by, description, record => record[this]) };
}
