namespace KvShiftScale.Trainer.Planning;

/// <summary>A bucket of parameters and gradients that a rank of one stage has.</summary>
/// <param name="Capacity">Elements that it has room for.</param>
/// <param name="Length">Elements in use.</param>
/// <param name="IsPartial">Other ranks than replicas add to its gradients, which are kept whole then.</param>
internal readonly record struct HeldBucket(double Capacity, double Length, bool IsPartial);
