using System.Text.Json.Serialization;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>What one logged optimizer step left behind: a line of <c>metrics.jsonl</c>.</summary>
[JsonConverter(typeof(StepRecordConverter))]
public sealed record StepRecord
{
    /// <summary>Number of the step; the first is 1, and 0 stands for the state before any.</summary>
    public required long Step { get; init; }

    /// <summary>
    /// Mean loss over the valid targets of the global batch, natural logarithm; NaN before the first step, and where it was not finite.
    /// </summary>
    public required double Loss { get; init; }

    /// <summary>Tokens trained on since the run began, earlier launches included.</summary>
    public required long Tokens { get; init; }

    /// <summary>Global L2 norm of the gradient before clipping.</summary>
    public required double GradNorm { get; init; }

    /// <summary>Learning rate that the step used.</summary>
    public required double Lr { get; init; }

    /// <summary>Tokens a second over all ranks, since the previous logged step.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>Mean duration of a step since the previous logged step.</summary>
    public required double StepSeconds { get; init; }

    /// <summary>
    /// Model FLOPs utilisation, 0 to 1: <see cref="TflopsPerRank"/> as a share of the stated peak of the ranks' devices; null where that is
    /// unknown.
    /// </summary>
    public double? Mfu { get; init; }

    /// <summary>Tokens a second, mean over ranks; null where unknown.</summary>
    public double? TokensPerSecondPerRank { get; init; }

    /// <summary>
    /// Rate of the model's floating-point operations, forward and backward, mean over ranks, in 10^12 a second; null where unknown.
    /// </summary>
    public double? TflopsPerRank { get; init; }

    /// <summary>
    /// <see cref="TflopsPerRank"/> as a share of the best rate that this rank has measured so far, of matrix products or of steps, 0 to 1;
    /// null where unknown.
    /// </summary>
    public double? MatmulShare { get; init; }

    /// <summary>Largest resident memory of this process so far.</summary>
    public required long PeakMemoryBytes { get; init; }

    /// <summary>Mean loss over the validation data after this step; null where it was not validated.</summary>
    public double? ValidationLoss { get; init; }

    /// <summary>What the probe found after this step; null where none was made.</summary>
    public ProbeRecord? Probe { get; init; }

    /// <summary>The step's numbers were bad, and there was no update.</summary>
    public bool Skipped { get; init; }

    /// <summary>Steps without update since the run began, earlier launches included.</summary>
    public long SkippedSteps { get; init; }

    /// <summary>Share of the steps' time since the previous logged step that this rank has spent waiting for a batch, 0 to 1.</summary>
    public double? DataWaitFraction { get; init; }

    /// <summary>
    /// Share of the time of this rank's reductions and gathers, since the previous logged step, in which it went on computing, 0 to 1; null
    /// where nothing was communicated.
    /// </summary>
    public double? CommunicationHidden { get; init; }

    /// <summary>Seconds a step, since the previous logged step, in which this rank waited for reductions and gathers; null as above.</summary>
    public double? CommunicationExposedSeconds { get; init; }

    /// <summary>Seconds that training has stood still for saves since the previous logged step; null where it has not.</summary>
    public double? SaveSeconds { get; init; }

    /// <summary>Seconds from the copy to the checkpoint, of a save that ended since the previous logged step; null where none did.</summary>
    public double? SaveWriteSeconds { get; init; }

    /// <summary>Reads of shards that this rank has had to repeat in this launch. Exported, but not written to <c>metrics.jsonl</c>.</summary>
    public long ReadRetries { get; init; }
}
