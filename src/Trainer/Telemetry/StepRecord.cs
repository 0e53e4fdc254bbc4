using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>
/// What one logged optimizer step left behind: a line of <c>metrics.jsonl</c>. <see cref="StepMetrics"/> says what is in it; those that the
/// program itself reads have a name here.
/// </summary>
[JsonConverter(typeof(StepRecordConverter))]
public sealed record StepRecord
{
    private readonly double?[] _values;

    public StepRecord() => _values = new double?[StepMetrics.All.Count];

    [SetsRequiredMembers]
    private StepRecord(ProbeRecord? probe, IReadOnlyList<(string Name, double Loss)> sets) : this() => (Probe, ValidationSets) = (probe, sets);

    private StepRecord(StepRecord original)
    {
        _values = (double?[])original._values.Clone();
        Probe = original.Probe;
        ValidationSets = original.ValidationSets;
    }

    /// <summary>What the probe found after this step; null where none was made.</summary>
    public ProbeRecord? Probe { get; init; }

    /// <summary>Mean losses of the sets of the validation data that have names, in nats; none where no validation was made, or there are no names.</summary>
    public IReadOnlyList<(string Name, double Loss)> ValidationSets { get; init; } = [];

    /// <inheritdoc cref="StepMetrics.Step"/>
    public required long Step { get => Whole(StepMetrics.Step); init => Set(StepMetrics.Step, value); }

    /// <inheritdoc cref="StepMetrics.Loss"/>
    public required double Loss { get => Number(StepMetrics.Loss); init => Set(StepMetrics.Loss, value); }

    /// <inheritdoc cref="StepMetrics.Tokens"/>
    public required long Tokens { get => Whole(StepMetrics.Tokens); init => Set(StepMetrics.Tokens, value); }

    /// <inheritdoc cref="StepMetrics.GradNorm"/>
    public required double GradNorm { get => Number(StepMetrics.GradNorm); init => Set(StepMetrics.GradNorm, value); }

    /// <inheritdoc cref="StepMetrics.Lr"/>
    public required double Lr { get => Number(StepMetrics.Lr); init => Set(StepMetrics.Lr, value); }

    /// <inheritdoc cref="StepMetrics.TokensPerSecond"/>
    public required double TokensPerSecond { get => Number(StepMetrics.TokensPerSecond); init => Set(StepMetrics.TokensPerSecond, value); }

    /// <inheritdoc cref="StepMetrics.StepSeconds"/>
    public required double StepSeconds { get => Number(StepMetrics.StepSeconds); init => Set(StepMetrics.StepSeconds, value); }

    /// <inheritdoc cref="StepMetrics.PeakMemoryBytes"/>
    public required long PeakMemoryBytes { get => Whole(StepMetrics.PeakMemoryBytes); init => Set(StepMetrics.PeakMemoryBytes, value); }

    /// <inheritdoc cref="StepMetrics.Mfu"/>
    public double? Mfu { get => this[StepMetrics.Mfu]; init => Set(StepMetrics.Mfu, value); }

    /// <inheritdoc cref="StepMetrics.TokensPerSecondPerRank"/>
    public double? TokensPerSecondPerRank { get => this[StepMetrics.TokensPerSecondPerRank]; init => Set(StepMetrics.TokensPerSecondPerRank, value); }

    /// <inheritdoc cref="StepMetrics.TflopsPerRank"/>
    public double? TflopsPerRank { get => this[StepMetrics.TflopsPerRank]; init => Set(StepMetrics.TflopsPerRank, value); }

    /// <inheritdoc cref="StepMetrics.MatmulShare"/>
    public double? MatmulShare { get => this[StepMetrics.MatmulShare]; init => Set(StepMetrics.MatmulShare, value); }

    /// <inheritdoc cref="StepMetrics.ValidationLoss"/>
    public double? ValidationLoss { get => this[StepMetrics.ValidationLoss]; init => Set(StepMetrics.ValidationLoss, value); }

    /// <inheritdoc cref="StepMetrics.DataWaitFraction"/>
    public double? DataWaitFraction { get => this[StepMetrics.DataWaitFraction]; init => Set(StepMetrics.DataWaitFraction, value); }

    /// <inheritdoc cref="StepMetrics.CommunicationHidden"/>
    public double? CommunicationHidden { get => this[StepMetrics.CommunicationHidden]; init => Set(StepMetrics.CommunicationHidden, value); }

    /// <inheritdoc cref="StepMetrics.CommunicationExposedSeconds"/>
    public double? CommunicationExposedSeconds
    {
        get => this[StepMetrics.CommunicationExposedSeconds];
        init => Set(StepMetrics.CommunicationExposedSeconds, value);
    }

    /// <inheritdoc cref="StepMetrics.SaveSeconds"/>
    public double? SaveSeconds { get => this[StepMetrics.SaveSeconds]; init => Set(StepMetrics.SaveSeconds, value); }

    /// <inheritdoc cref="StepMetrics.ReadRetries"/>
    public long ReadRetries { get => Whole(StepMetrics.ReadRetries); init => Set(StepMetrics.ReadRetries, value > 0 ? value : null); }

    /// <inheritdoc cref="StepMetrics.Skipped"/>
    public bool Skipped { get => this[StepMetrics.Skipped] is > 0; init => Set(StepMetrics.Skipped, value ? 1 : null); }

    /// <inheritdoc cref="StepMetrics.SkippedSteps"/>
    public long SkippedSteps { get => Whole(StepMetrics.SkippedSteps); init => Set(StepMetrics.SkippedSteps, value > 0 ? value : null); }

    /// <summary>A number of the record; null where there is none.</summary>
    internal double? this[StepMetric metric] => _values[metric.Index];

    /// <summary>The state before any step, where nothing but a validation has been made.</summary>
    internal static StepRecord BeforeTraining(double validationLoss) => new()
    {
        Step = 0,
        Loss = double.NaN,
        Tokens = 0,
        GradNorm = double.NaN,
        Lr = double.NaN,
        TokensPerSecond = double.NaN,
        StepSeconds = double.NaN,
        PeakMemoryBytes = 0,
        ValidationLoss = validationLoss,
    };

    /// <summary>The record of the last step of <paramref name="window"/>.</summary>
    internal static StepRecord Of(StepWindow window) => Of(metric => metric.Take(window));

    /// <summary>The record with the numbers that <paramref name="take"/> gives.</summary>
    internal static StepRecord Of(Func<StepMetric, double?> take, ProbeRecord? probe = null, IReadOnlyList<(string Name, double Loss)>? sets = null)
    {
        var record = new StepRecord(probe, sets ?? []);
        foreach (var metric in StepMetrics.All)
        {
            record.Set(metric, take(metric));
        }

        return record;
    }

    public bool Equals(StepRecord? other)
        => other is not null && EqualityContract == other.EqualityContract && _values.AsSpan().SequenceEqual(other._values) && Equals(Probe, other.Probe)
            && ValidationSets.SequenceEqual(other.ValidationSets);

    public override int GetHashCode() => HashCode.Combine(Step, Loss, Probe);

    private double Number(StepMetric metric) => _values[metric.Index] ?? double.NaN;

    private long Whole(StepMetric metric) => (long)(_values[metric.Index] ?? 0);

    private void Set(StepMetric metric, double? value) => _values[metric.Index] = value;
}
