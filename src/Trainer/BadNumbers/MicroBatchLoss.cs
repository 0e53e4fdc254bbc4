namespace KvShiftScale.Trainer.BadNumbers;

/// <summary>The loss of one micro-batch on one rank.</summary>
/// <param name="FirstRow">Number of its first row in the global order.</param>
/// <param name="Rows">How many rows follow each other.</param>
/// <param name="LossSum">Sum over the valid targets that this rank computed.</param>
/// <param name="ValidTargets">Valid targets of the rows, whichever rank computed them.</param>
internal readonly record struct MicroBatchLoss(long FirstRow, int Rows, double LossSum, long ValidTargets);
