namespace KvShiftScale.Trainer.Planning;

/// <summary>The buckets of parameters and gradients that a rank of one stage has, in elements.</summary>
/// <param name="Capacity">What they have room for.</param>
/// <param name="PartialCapacity">Of that, of buckets to whose gradients other ranks than replicas add.</param>
/// <param name="PartialLength">What is in use of those.</param>
/// <param name="LargestThree">What is in use of the three largest of the others.</param>
internal sealed record HeldBuckets(double Capacity, double PartialCapacity, double PartialLength, double LargestThree);
