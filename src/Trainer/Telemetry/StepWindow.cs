using KvShiftScale.Parallel.Gradients;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>What <see cref="StepMetrics"/> are made of: the last step, and the steps since the line before it together.</summary>
internal sealed record StepWindow
{
    /// <summary>Number of the last step.</summary>
    public required long Step { get; init; }

    /// <summary>Its mean loss over the valid targets of the global batch, in nats.</summary>
    public required double Loss { get; init; }

    /// <summary>Its global L2 norm of the gradient before clipping.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>Its learning rate.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Its numbers were bad, and there was no update.</summary>
    public required bool IsSkipped { get; init; }

    /// <summary>Steps without update since the run began, earlier launches included.</summary>
    public required long SkippedSteps { get; init; }

    /// <summary>Tokens trained on since the run began, earlier launches included.</summary>
    public required long TokensOfRun { get; init; }

    /// <summary>Ranks of the launch.</summary>
    public required int Ranks { get; init; }

    /// <summary>Steps since the line before.</summary>
    public required long Steps { get; init; }

    /// <summary>Their tokens, over all ranks.</summary>
    public required long Tokens { get; init; }

    /// <summary>Their time, without what lies between them.</summary>
    public required double Seconds { get; init; }

    /// <summary>Of it, the time that this rank has waited for batches.</summary>
    public required double DataWaitSeconds { get; init; }

    /// <summary>What this rank's reductions and gathers have cost in them.</summary>
    public required OverlapTotals Communication { get; init; }

    /// <summary>Floating-point operations of a token, forward and backward.</summary>
    public required double FlopsPerToken { get; init; }

    /// <summary>Share of the devices' stated peak, 0 to 1, of a rate in operations a second of one rank; null where that is unknown.</summary>
    public required Func<double, double?> ShareOfStatedPeak { get; init; }

    /// <summary>The same of the best rate that this rank has measured.</summary>
    public required Func<double, double?> ShareOfBestRate { get; init; }

    /// <summary>Largest resident memory of this process so far.</summary>
    public required long PeakMemoryBytes { get; init; }

    /// <summary>Reads of shards that this rank has had to repeat in this launch.</summary>
    public required long ReadRetries { get; init; }

    /// <summary>How long training has stood still for saves.</summary>
    public required double SaveWaitSeconds { get; init; }

    /// <summary>From the copy to the checkpoint, of a save that has ended; null where none has.</summary>
    public required double? SaveWriteSeconds { get; init; }

    /// <summary>Tokens a second over all ranks.</summary>
    public double TokensPerSecond => Tokens / Seconds;

    /// <summary>Operations a second, mean over ranks.</summary>
    public double FlopsPerRank => TokensPerSecond * FlopsPerToken / Ranks;
}
