using KvShiftScale.Data.Loading;
using KvShiftScale.Trainer.BadNumbers;

namespace KvShiftScale.Trainer.Session;

/// <summary>What the micro-batches of a step have left on this rank, beside gradients.</summary>
/// <param name="LeafLosses">
/// Sum of losses for each leaf of the step over all ranks, in nats; other ranks' are 0. Ranks that share rows have each their part of a leaf.
/// </param>
/// <param name="ValidTargets">Targets that these losses are of; 0 on all but one of the ranks that share rows.</param>
/// <param name="Tokens">Tokens, padding not counted; 0 as above.</param>
/// <param name="RowTokens">Tokens of this rank's rows, whoever shares them.</param>
/// <param name="Losses">One for each micro-batch of this rank, in order.</param>
internal readonly record struct StepSums(double[] LeafLosses, long ValidTargets, long Tokens, long RowTokens, IReadOnlyList<MicroBatchLoss> Losses);

/// <summary>
/// Takes the micro-batches of a step forward and backward, in an order of its own: batches in, gradients in the model's buckets and
/// <see cref="StepSums"/> out.
/// </summary>
internal interface IMicroBatchSchedule
{
    /// <summary>Runs all micro-batches of a step. Their gradients are reduced, or on the way, when it returns.</summary>
    /// <param name="step">Number of the step, from 1.</param>
    /// <param name="batches">This rank's micro-batches.</param>
    StepSums Run(long step, IMicroBatches batches);
}
