namespace KvShiftScale.Trainer.BadNumbers;

/// <summary>
/// What decisions about coming steps depend on. Part of a checkpoint, and of no rank in particular, so that a run that goes on anywhere
/// decides as one that was never stopped.
/// </summary>
internal sealed record StepGuardState
{
    /// <summary>Steps without update since the run began.</summary>
    public long SkippedSteps { get; init; }

    /// <summary>Steps without update at the end, without one with an update between them.</summary>
    public int SkipsInARow { get; init; }

    /// <summary>The last step was a spike.</summary>
    public bool AfterSpike { get; init; }

    /// <summary>Losses of the last steps that were no faults, oldest first.</summary>
    public IReadOnlyList<double> Losses { get; init; } = [];

    /// <summary>Gradient norms of the last steps that were updates, oldest first; a clipped one as it was clipped.</summary>
    public IReadOnlyList<double> GradientNorms { get; init; } = [];
}
