namespace KvShiftScale.Trainer.Experiments.Compare;

/// <summary>A validation loss.</summary>
/// <param name="Step">Steps trained.</param>
/// <param name="Loss">Mean over the validation data, in nats per token.</param>
internal sealed record CompareLoss(long Step, double Loss);
