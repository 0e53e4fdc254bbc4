using KvShiftScale.Core.Progress;
using KvShiftScale.Data.Loading;
using KvShiftScale.Models;
using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Gradients;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Session;

/// <summary>One micro-batch after the other, each forward and at once backward. Losses stay on the device.</summary>
internal sealed class SequentialSchedule(KvShiftTransformer model, ParallelContext ranks, GradientReducer reducer) : IMicroBatchSchedule
{
    private readonly ContextRegion _region = new(ranks.Context);
    private readonly List<ComputedBatch> _batches = [];
    private readonly List<Tensor> _lossSums = [];

    public StepSums Run(long step, IMicroBatches batches)
    {
        using var scope = NewDisposeScope();
        _batches.Clear();
        _lossSums.Clear();
        var microBatches = batches.MicroBatchesPerStep / reducer.LeavesPerRank;
        for (var leaf = 0; leaf < reducer.LeavesPerRank; leaf++)
        {
            for (var micro = 0; micro < microBatches; micro++)
            {
                RunProgress.Enter(RunPhase.Data);
                using var batch = batches.Next();
                reducer.BeginMicroBatch(isLast: leaf == reducer.LeavesPerRank - 1 && micro == microBatches - 1);
                _lossSums.Add(ForwardBackward(batch, step));
                _batches.Add(new ComputedBatch(batch.FirstRow, batch.Rows, batch.ValidTargets, batch.TokenCount));
            }
            reducer.EndLeaf();
        }

        return new StepSums(stack(_lossSums).view(reducer.LeavesPerRank, microBatches).MoveToOuterDisposeScope(), _batches);
    }

    // A float64 scalar, in the scope around.
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

        if (PoisonedBatch.Strikes(batch, isFirst: _batches.Count == 0, step))
        {
            loss = loss * double.PositiveInfinity;
        }

        RunProgress.Enter(RunPhase.Backward);
        BackwardPass.Run(loss);
        return loss.detach().to(ScalarType.Float64, copy: true).MoveToOuterDisposeScope();
    }
}
