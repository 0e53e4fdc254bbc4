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

    /// <summary>Always, an integer, exact to 2^53.</summary>
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
    /// <param name="instrument">Makes its instrument; nothing given: it has none.</param>
    public StepMetric(int index, string name, MetricForm form, Func<StepWindow, double?> take, Func<StepMetric, Instrument<StepRecord>>? instrument = null)
    {
        (Index, Name, Form, Take) = (index, name, form, take);
        Instrument = instrument?.Invoke(this);
    }

    public int Index { get; }

    public string Name { get; }

    public MetricForm Form { get; }

    public Func<StepWindow, double?> Take { get; }

    public Instrument<StepRecord>? Instrument { get; }
}
