namespace KvShiftScale.Trainer.BadNumbers;

/// <summary>What is to be done with a step, the same on every rank.</summary>
/// <param name="Fault">What is wrong.</param>
/// <param name="Threshold">What the number at fault had to stay below; null where it had only to be finite.</param>
/// <param name="NormBound">The update is made with a gradient of at most this norm; null: there is no bound beyond the configured one.</param>
internal readonly record struct StepVerdict(StepFault Fault = StepFault.None, double? Threshold = null, double? NormBound = null)
{
    /// <summary>There is no update: parameters, moments and their number of updates stay as they are.</summary>
    public bool IsSkip => Fault != StepFault.None && NormBound is null;
}
