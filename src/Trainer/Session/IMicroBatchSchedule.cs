using KvShiftScale.Data.Loading;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Session;

/// <summary>A micro-batch that a step has computed.</summary>
/// <param name="FirstRow">Number of its first row in the run.</param>
/// <param name="Rows">How many rows follow each other.</param>
/// <param name="ValidTargets">Valid targets of the rows, whichever rank computed them.</param>
/// <param name="Tokens">Their tokens, padding not counted, whichever rank computed them.</param>
internal readonly record struct ComputedBatch(long FirstRow, int Rows, long ValidTargets, long Tokens);

/// <summary>What the micro-batches of a step have left on this rank, beside gradients.</summary>
/// <param name="LossSums">
/// float64 [leaves, micro-batches of a leaf], in nats, on the model's device; of the caller's scope. Ranks that share rows have each their part, and
/// zeros where another stage of a pipeline has the losses.
/// </param>
/// <param name="Batches">The micro-batches, leaf by leaf.</param>
internal readonly record struct StepSums(Tensor LossSums, IReadOnlyList<ComputedBatch> Batches);

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
