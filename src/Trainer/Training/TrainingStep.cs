using KvShiftScale.Data;
using KvShiftScale.Models;
using KvShiftScale.Parallel;
using KvShiftScale.Parallel.Optimization;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Training;

/// <summary>One optimizer step: micro-batches forward and backward, reduction, clipping, update.</summary>
internal sealed class TrainingStep(
    KvShiftTransformer model,
    ParallelContext ranks,
    GradientReducer reducer,
    AdamW optimizer,
    LearningRateSchedule schedule,
    double clipNorm)
{
    private readonly ContextRegion _region = new(ranks.Context);

    /// <summary>Runs step <paramref name="step"/>, which counts from 1.</summary>
    /// <param name="step">Number of the step.</param>
    /// <param name="batches">This rank's micro-batches of the step.</param>
    /// <param name="stopRequested">This rank was asked to stop.</param>
    /// <exception cref="NonFiniteGradientException">The gradient is not a number or infinite; parameters are untouched.</exception>
    public StepOutcome Run(long step, IMicroBatches batches, bool stopRequested)
    {
        using var scope = NewDisposeScope();
        model.Parameters.BeginStep();
        // A loss for each leaf of the step, over all ranks; other ranks' stay 0 until they are summed.
        var leaves = new double[reducer.LeavesPerRank * ranks.Data.Size];
        var (validTargets, tokens) = (0L, 0L);
        var microBatches = batches.MicroBatchesPerStep / reducer.LeavesPerRank;
        for (var leaf = 0; leaf < reducer.LeavesPerRank; leaf++)
        {
            for (var micro = 0; micro < microBatches; micro++)
            {
                using var batch = batches.Next();
                leaves[ranks.Data.Rank * reducer.LeavesPerRank + leaf] += ForwardBackward(batch);
                // Ranks that share rows would count them twice.
                if (ranks.Context.Rank != 0) continue;
                validTargets += batch.ValidTargets;
                tokens += batch.TokenCount;
            }
            reducer.EndLeaf();
        }
        reducer.Reduce();

        // The mean is over the valid targets of the whole global batch, whichever rank had them.
        var (loss, targets, allTokens, stop) = Sum(leaves, validTargets, tokens, stopRequested);
        var scale = 1.0 / Math.Max(1, targets);
        var norm = (reducer.IsCanonical ? GradientNorm.Canonical(model.Parameters, ranks.Tensor) : GradientNorm.Of(model.Parameters, NormHolders)) * scale;
        if (!double.IsFinite(norm)) throw new NonFiniteGradientException(step, loss * scale, norm);
        var learningRate = schedule.At(step);
        optimizer.Step(learningRate, scale * GradientNorm.ClipFactor(norm, clipNorm), step);
        reducer.GatherParameters();
        return new StepOutcome(loss * scale, allTokens, norm, learningRate, stop);
    }

    private ProcessGroup NormHolders => model.Parameters.IsShared ? ranks.World : ranks.Tensor;

    private double ForwardBackward(TokenBatch batch)
    {
        using var scope = NewDisposeScope();
        using var inputs = new BatchTensors(batch, model.Parameters.Device, _region);
        Tensor loss;
        // What forward made and backward does not need is gone before backward begins.
        using (NewDisposeScope()) loss = model.LossSum(inputs.Ids, inputs.Targets, inputs.Layout).MoveToOuterDisposeScope();
        loss.backward();
        return loss.to(ScalarType.Float64).item<double>();
    }

    // Sums in the order of the leaves: each number has one rank, so the exchange adds only zeros.
    private unsafe (double LossSum, long Targets, long Tokens, bool Stop) Sum(double[] leaves, long targets, long tokens, bool stop)
    {
        double[] totals = [.. leaves, targets, tokens, stop ? 1 : 0];
        fixed (double* first = totals) ranks.Replicas.AllReduce((nint)first, totals.Length, CollectiveDataType.Float64);
        var lossSum = 0.0;
        for (var leaf = 0; leaf < leaves.Length; leaf++) lossSum += totals[leaf];
        return (lossSum, (long)totals[^3], (long)totals[^2], totals[^1] > 0);
    }
}
