using KvShiftScale.Core.Faults;
using KvShiftScale.Core.Progress;
using KvShiftScale.Data.Loading;
using KvShiftScale.Models;
using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Gradients;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Regions;
using KvShiftScale.Trainer.BadNumbers;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Session;

/// <summary>One micro-batch after the other, each forward and at once backward. Losses stay on the device until all are done.</summary>
internal sealed class SequentialSchedule(KvShiftTransformer model, ParallelContext ranks, GradientReducer reducer) : IMicroBatchSchedule
{
    private readonly ContextRegion _region = new(ranks.Context);
    private readonly List<(long FirstRow, int Rows, long ValidTargets)> _batches = [];
    private readonly List<Tensor> _lossSums = [];

    public StepSums Run(long step, IMicroBatches batches)
    {
        using var scope = NewDisposeScope();
        _batches.Clear();
        _lossSums.Clear();
        var (validTargets, tokens, rowTokens) = (0L, 0L, 0L);
        var microBatches = batches.MicroBatchesPerStep / reducer.LeavesPerRank;
        for (var leaf = 0; leaf < reducer.LeavesPerRank; leaf++)
        {
            for (var micro = 0; micro < microBatches; micro++)
            {
                RunProgress.Enter(RunPhase.Data);
                using var batch = batches.Next();
                reducer.BeginMicroBatch(isLast: leaf == reducer.LeavesPerRank - 1 && micro == microBatches - 1);
                _lossSums.Add(ForwardBackward(batch, step));
                _batches.Add((batch.FirstRow, batch.Rows, batch.ValidTargets));
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

        var losses = ReadLosses();
        // A loss for each leaf of the step, over all ranks; other ranks' stay 0 until they are summed.
        var leaves = new double[reducer.LeavesPerRank * ranks.Data.Size];
        for (var i = 0; i < losses.Length; i++)
        {
            leaves[ranks.Data.Rank * reducer.LeavesPerRank + i / microBatches] += losses[i].LossSum;
        }

        return new StepSums(leaves, validTargets, tokens, rowTokens, losses);
    }

    // [float64], in the scope around.
    private Tensor ForwardBackward(TokenBatch batch, long step)
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
        return loss.detach().to(ScalarType.Float64, copy: true).MoveToOuterDisposeScope();
    }

    // The one time in a step that the host waits for the device.
    private MicroBatchLoss[] ReadLosses()
    {
        using var read = stack(_lossSums).cpu().data<double>();
        var losses = new MicroBatchLoss[_batches.Count];
        for (var i = 0; i < losses.Length; i++)
        {
            losses[i] = new MicroBatchLoss(_batches[i].FirstRow, _batches[i].Rows, read[i], _batches[i].ValidTargets);
        }

        return losses;
    }

    // The first micro-batch of a step, or the one that has a row.
    private bool IsPoisoned(TokenBatch batch, long step)
    {
        if (!InjectedFaults.Any)
        {
            return false;
        }

        if (_batches.Count == 0 && InjectedFaults.Strikes("poison", "batch", step))
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
}
