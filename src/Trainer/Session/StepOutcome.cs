using KvShiftScale.Trainer.BadNumbers;

namespace KvShiftScale.Trainer.Session;

/// <summary>What a step did, the same on every rank.</summary>
/// <param name="Loss">Mean over the step's valid targets, in nats.</param>
/// <param name="Tokens">Inputs of all ranks that are no padding.</param>
/// <param name="GradientNorm">Global L2 norm before clipping.</param>
/// <param name="LearningRate">Learning rate of the update.</param>
/// <param name="Verdict">Whether there was an update.</param>
internal readonly record struct StepOutcome(double Loss, long Tokens, double GradientNorm, double LearningRate, StepVerdict Verdict);
