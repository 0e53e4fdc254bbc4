using KvShiftScale.Core.Progress;
using KvShiftScale.Data.Loading;
using KvShiftScale.Models;
using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Gradients;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Session;

/// <summary>
/// Micro-batches through the stages of a pipeline, in <see cref="PipelineOrder"/>. Every stage reads the same batches, so activations and their
/// gradients are all that neighbours exchange. Only the last stage has losses; those of the others are zeros.
/// </summary>
internal sealed class OneForwardOneBackwardSchedule(KvShiftTransformer model, ParallelContext ranks, GradientReducer reducer) : IMicroBatchSchedule
{
    private readonly ContextRegion _region = new(ranks.Context);
    private readonly List<ComputedBatch> _batches = [];
    private readonly List<Tensor> _lossSums = [];
    private readonly Queue<InFlight> _inFlight = [];
    private (Work Work, Tensor Gradient)? _sentBack;

    public StepSums Run(long step, IMicroBatches batches)
    {
        using var scope = NewDisposeScope();
        _batches.Clear();
        _lossSums.Clear();
        var microBatches = batches.MicroBatchesPerStep;
        var ofLeaf = microBatches / reducer.LeavesPerRank;
        foreach (var pass in PipelineOrder.Of(model.Pipeline.Stage, model.Pipeline.Stages, microBatches))
        {
            if (pass.IsForward)
            {
                RunProgress.Enter(RunPhase.Data);
                Forward(batches.Next(), step);
                continue;
            }

            reducer.BeginMicroBatch(isLast: pass.MicroBatch == microBatches - 1);
            Backward();
            if ((pass.MicroBatch + 1) % ofLeaf == 0)
            {
                reducer.EndLeaf();
            }
        }

        AwaitSentBack();
        return new StepSums(stack(_lossSums).view(reducer.LeavesPerRank, ofLeaf).MoveToOuterDisposeScope(), _batches);
    }

    private void Forward(TokenBatch batch, long step)
    {
        var inputs = new BatchTensors(batch, model.Parameters.Device, _region);
        var input = inputs.Ids;
        RunProgress.Enter(RunPhase.Forward);
        if (!model.Stage.HasEmbedding)
        {
            model.Pipeline.ReceiveActivation(input = model.EmptyActivation(inputs.Layout));
            input.requires_grad_();
        }

        Tensor output;
        // What forward made and backward does not need is gone before the next pass begins.
        using (NewDisposeScope())
        {
            output = (model.Stage.HasHead ? model.LossSum(input, inputs.Targets, inputs.Layout) : model.Activation(input, inputs.Layout))
                .MoveToOuterDisposeScope();
        }

        if (model.Stage.HasHead && PoisonedBatch.Strikes(batch, isFirst: _batches.Count == 0, step))
        {
            output = output * double.PositiveInfinity;
        }

        var sent = model.Stage.HasHead ? null : model.Pipeline.SendActivation(output);
        _inFlight.Enqueue(new InFlight(batch, inputs, input, output, sent));
        _batches.Add(new ComputedBatch(batch.FirstRow, batch.Rows, batch.ValidTargets, batch.TokenCount));
        _lossSums.Add(model.Stage.HasHead ? output.detach().to(ScalarType.Float64, copy: true) : zeros([], ScalarType.Float64, output.device));
    }

    private void Backward()
    {
        using var oldest = _inFlight.Dequeue();
        using var scope = NewDisposeScope();
        RunProgress.Enter(RunPhase.Backward);
        if (oldest.Sent is { } sent)
        {
            var gradient = empty_like(oldest.Output);
            model.Pipeline.ReceiveGradient(gradient);
            // It has come to the next stage long ago.
            sent.Wait();
            BackwardPass.Run([oldest.Output], [gradient]);
        }
        else
        {
            BackwardPass.Run(oldest.Output);
        }

        if (model.Stage.HasEmbedding)
        {
            return;
        }

        // The stage before takes gradients in their order: one at a time is under way. Waiting for it moves what is larger than MPI's eager limit.
        AwaitSentBack();
        var back = oldest.Input.grad!.DetachFromDisposeScope();
        _sentBack = (model.Pipeline.SendGradient(back), back);
    }

    private void AwaitSentBack()
    {
        if (_sentBack is not { } sent)
        {
            return;
        }

        sent.Work.Wait();
        sent.Gradient.Dispose();
        _sentBack = null;
    }

    /// <summary>A micro-batch between its forward and its backward on this stage.</summary>
    /// <param name="Batch">Its memory.</param>
    /// <param name="Inputs">What the graph refers to of it.</param>
    /// <param name="Input">Ids, or the activation that the stage before gave.</param>
    /// <param name="Output">The loss, or the activation that the next stage got.</param>
    /// <param name="Sent">The way of that, which needs <paramref name="Output"/>; null on the last stage.</param>
    private sealed record InFlight(TokenBatch Batch, BatchTensors Inputs, Tensor Input, Tensor Output, Work? Sent) : IDisposable
    {
        public void Dispose()
        {
            Output.Dispose();
            Input.Dispose();
            Inputs.Dispose();
            Batch.Dispose();
        }
    }
}
