using KvShiftScale.Data.Loading;
using KvShiftScale.Trainer.BadNumbers;
using KvShiftScale.Trainer.Session;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Replaying;

/// <summary>A step computed again, beside what its run recorded.</summary>
internal sealed record StepReplay
{
    /// <summary>Number of the step.</summary>
    public required long Step { get; init; }

    /// <summary>Folder of the checkpoint that the replay began with; null: the initial weights.</summary>
    public required string? Checkpoint { get; init; }

    /// <summary>Step of the checkpoint.</summary>
    public required long FirstStep { get; init; }

    /// <summary>What the step did.</summary>
    public required StepOutcome Outcome { get; init; }

    /// <summary>Parameters whose gradient is not finite, in the order in which backward comes to them.</summary>
    public required IReadOnlyList<string> NonFiniteGradients { get; init; }

    /// <summary>All parameters.</summary>
    public required int Parameters { get; init; }

    /// <summary>Each row of the step on its own, before the update.</summary>
    public required IReadOnlyList<RowReplay> Rows { get; init; }

    /// <summary>Origins of the rows to look at, the worst first.</summary>
    public required IReadOnlyList<RowOrigin> Suspects { get; init; }

    /// <summary>The step's line in metrics.jsonl; null: it was not logged.</summary>
    public required StepRecord? Logged { get; init; }

    /// <summary>The step's line in skipped.jsonl; null: it has none.</summary>
    public required SkippedStep? Skipped { get; init; }

    /// <summary>Of the steps before this one: how many stand in metrics.jsonl, and the largest relative difference of their losses.</summary>
    public required (int Count, double Difference) Before { get; init; }

    /// <summary>Loss that the run recorded; null where it did not.</summary>
    public double? RecordedLoss => Skipped?.Loss ?? Logged?.Loss;

    /// <summary>Gradient norm that the run recorded; null where it did not.</summary>
    public double? RecordedGradNorm => Skipped?.GradNorm ?? Logged?.GradNorm;

    /// <summary>Loss and gradient norm have the very bits that were recorded.</summary>
    public bool HasSameBits => Outcome.Loss.Equals(RecordedLoss) && Outcome.GradientNorm.Equals(RecordedGradNorm);

    /// <summary>The replay came to the decision of the run, with numbers that differ by rounding at most.</summary>
    public bool IsReproduced => RecordedLoss is { } loss && RecordedGradNorm is { } norm && (Skipped?.Why ?? StepFault.None) == Outcome.Verdict.Fault
        && Difference(loss, Outcome.Loss) <= Rounding && (Difference(norm, Outcome.GradientNorm) <= Rounding || !double.IsFinite(loss));

    // Another number of ranks sums float32 in another order, some hundreds of steps long at most.
    private const double Rounding = 1e-3;

    /// <summary>Relative difference; 0 between equal numbers that are not finite, infinite between others.</summary>
    internal static double Difference(double a, double b)
        => a.Equals(b) ? 0 : double.IsFinite(a) && double.IsFinite(b)
            ? Math.Abs(a - b) / Math.Max(Math.Abs(a), double.Epsilon) : double.PositiveInfinity;
}
