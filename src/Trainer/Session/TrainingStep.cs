using KvShiftScale.Core.Faults;
using KvShiftScale.Core.Progress;
using KvShiftScale.Data.Loading;
using KvShiftScale.Models;
using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Gradients;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Parallel.Regions;
using KvShiftScale.Trainer.BadNumbers;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Session;

/// <summary>
/// One optimizer step: micro-batches forward and backward, reduction, clipping, and an update unless all ranks find the numbers bad.
/// </summary>
internal sealed class TrainingStep(
    KvShiftTransformer model,
    ParallelContext ranks,
    GradientReducer reducer,
    AdamW optimizer,
    LearningRateSchedule schedule,
    double clipNorm,
    StepGuard guard)
{
    private readonly ContextRegion _region = new(ranks.Context);
    private readonly List<MicroBatchLoss> _losses = [];

    /// <summary>The last step's micro-batches of this rank.</summary>
    public IReadOnlyList<MicroBatchLoss> Losses => _losses;

    /// <summary>
    /// This rank's part of the last step's tokens: those of its rows, divided among the ranks that share them. The parts of all ranks add
    /// up to <see cref="StepOutcome.Tokens"/>.
    /// </summary>
    public long OwnTokens { get; private set; }

    /// <summary>Runs step <paramref name="step"/>, which counts from 1.</summary>
    /// <param name="step">Number of the step.</param>
    /// <param name="batches">This rank's micro-batches of the step.</param>
    /// <exception cref="DataFaultException">On all ranks: one of them had no data. Nothing is updated.</exception>
    public StepOutcome Run(long step, IMicroBatches batches)
    {
        using var scope = NewDisposeScope();
        model.Parameters.BeginStep();
        _losses.Clear();
        // A loss for each leaf of the step, over all ranks; other ranks' stay 0 until they are summed.
        var leaves = new double[reducer.LeavesPerRank * ranks.Data.Size];
        var (validTargets, tokens, rowTokens) = (0L, 0L, 0L);
        var microBatches = batches.MicroBatchesPerStep / reducer.LeavesPerRank;
        for (var leaf = 0; leaf < reducer.LeavesPerRank; leaf++)
        {
            for (var micro = 0; micro < microBatches; micro++)
            {
                RunProgress.Enter(RunPhase.Data);
                using var batch = batches.Next();
                reducer.BeginMicroBatch(isLast: leaf == reducer.LeavesPerRank - 1 && micro == microBatches - 1);
                var lossSum = ForwardBackward(batch, step);
                leaves[ranks.Data.Rank * reducer.LeavesPerRank + leaf] += lossSum;
                _losses.Add(new MicroBatchLoss(batch.FirstRow, batch.Rows, lossSum, batch.ValidTargets));
                rowTokens += batch.TokenCount;
                // Ranks that share rows would count them twice.
                if (ranks.Context.Rank != 0)
                {
                    continue;
                }

                validTargets += batch.ValidTargets;
                tokens += batch.TokenCount;
            }
            reducer.EndLeaf();
        }
        OwnTokens = PartOf(rowTokens, (ranks.Context.Rank * ranks.Tensor.Size) + ranks.Tensor.Rank, ranks.Context.Size * ranks.Tensor.Size);
        RunProgress.Enter(RunPhase.Reduce);
        reducer.Reduce();

        // The mean is over the valid targets of the whole global batch, whichever rank had them.
        var (loss, targets, allTokens) = Sum(leaves, validTargets, tokens);
        var scale = 1.0 / Math.Max(1, targets);
        var squares = reducer.IsCanonical
            ? GradientNorm.CanonicalSquares(model.Parameters, ranks.Tensor) : GradientNorm.Squares(model.Parameters, NormHolders);
        var norm = Math.Sqrt(squares.item<double>()) * scale;
        Span<double> joint = [loss * scale, norm, batches.Fault is null ? 0 : 1];
        JointNumber.Agree(ranks.World, joint);
        if (joint[2] > 0)
        {
            throw DataFaultException.Gather(ranks.World, batches.Fault);
        }

        var verdict = guard.Decide(joint[0], joint[1]);
        var learningRate = schedule.At(step);
        if (!verdict.IsSkip)
        {
            var clip = Math.Min(GradientNorm.ClipFactor(joint[1], clipNorm), GradientNorm.ClipFactor(joint[1], verdict.NormBound ?? 0));
            // Moments are corrected by the updates that they are made of; the schedule goes on with the data.
            RunProgress.Enter(RunPhase.Optimizer);
            optimizer.Step(learningRate, scale * clip, step - guard.State.SkippedSteps);
            RunProgress.Enter(RunPhase.Gather);
            reducer.GatherParameters();
        }
        return new StepOutcome(joint[0], allTokens, joint[1], learningRate, verdict);
    }

    /// <summary>
    /// Part <paramref name="index"/> of <paramref name="count"/> that differ by one at most and add up to <paramref name="total"/>.
    /// </summary>
    internal static long PartOf(long total, int index, int count) => (total * (index + 1L) / count) - (total * index / count);

    private ProcessGroup NormHolders => model.Parameters.IsShared ? ranks.World : ranks.Tensor;

    private double ForwardBackward(TokenBatch batch, long step)
    {
        using var scope = NewDisposeScope();
        using var inputs = new BatchTensors(batch, model.Parameters.Device, _region);
        RunProgress.Enter(RunPhase.Forward);
        Tensor loss;
        // What forward made and backward does not need is gone before backward begins.
        using (NewDisposeScope())
        {
            loss = model.LossSum(inputs.Ids, inputs.Targets, inputs.Layout).MoveToOuterDisposeScope();
        }

        if (IsPoisoned(batch, step))
        {
            loss = loss * double.PositiveInfinity;
        }

        RunProgress.Enter(RunPhase.Backward);
        BackwardPass.Run(loss);
        return loss.to(ScalarType.Float64).item<double>();
    }

    // The first micro-batch of a step, or the one that has a row.
    private bool IsPoisoned(TokenBatch batch, long step)
    {
        if (!InjectedFaults.Any)
        {
            return false;
        }

        if (_losses.Count == 0 && InjectedFaults.Strikes("poison", "batch", step))
        {
            return true;
        }

        for (var row = 0; row < batch.Rows; row++)
        {
            if (InjectedFaults.Strikes("poison", "row", batch.FirstRow + row))
            {
                return true;
            }
        }
        return false;
    }

    // Sums in the order of the leaves: each number has one rank, so the exchange adds only zeros.
    private (double LossSum, long Targets, long Tokens) Sum(double[] leaves, long targets, long tokens)
    {
        double[] totals = [.. leaves, targets, tokens];
        ranks.Replicas.Sum<double>(totals);
        var lossSum = 0.0;
        for (var leaf = 0; leaf < leaves.Length; leaf++)
        {
            lossSum += totals[leaf];
        }

        return (lossSum, (long)totals[^2], (long)totals[^1]);
    }
}
