using KvShiftScale.Core.Progress;
using KvShiftScale.Data.Loading;
using KvShiftScale.Models;
using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Gradients;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Session;

/// <summary>
/// Micro-batches through the stages of a pipeline, in <see cref="PipelineOrder"/>. Every stage reads the same batches, so activations and their
/// gradients are all that neighbours exchange. Only the last stage has losses; those of the others are zeros.
/// </summary>
/// <remarks>
/// Nothing is under way while a stage computes, since MPI moves large messages only while both sides are inside it. A stage takes its next activation
/// before it gives back a gradient: the stage before has sent the one and waits for the other, so neither waits for a neighbour that computes.
/// </remarks>
internal sealed class OneForwardOneBackwardSchedule(KvShiftTransformer model, ParallelContext ranks, GradientReducer reducer) : IMicroBatchSchedule
{
    private readonly ContextRegion _region = new(ranks.Context);
    private readonly List<ComputedBatch> _batches = [];
    private readonly List<Tensor> _lossSums = [];
    private readonly Queue<InFlight> _inFlight = [];

    public StepSums Run(long step, IMicroBatches batches)
    {
        using var scope = NewDisposeScope();
        _batches.Clear();
        _lossSums.Clear();
        var microBatches = batches.MicroBatchesPerStep;
        var ofLeaf = microBatches / reducer.LeavesPerRank;
        Taken? next = null;
        StagePass[] passes = [.. PipelineOrder.Of(model.Pipeline.Stage, model.Pipeline.Stages, microBatches)];
        foreach (var (number, pass) in passes.Index())
        {
            if (pass.IsForward)
            {
                Forward(next ?? Take(batches), step);
                next = null;
                continue;
            }

            reducer.BeginMicroBatch(isLast: pass.MicroBatch == microBatches - 1);
            using (var oldest = _inFlight.Dequeue())
            {
                Backward(oldest);
                next = number + 1 < passes.Length && passes[number + 1].IsForward ? Take(batches) : null;
                if (!model.Stage.HasEmbedding)
                {
                    RunProgress.Enter(RunPhase.Backward);
                    using var gradient = oldest.From.Input.grad!;
                    model.Pipeline.SendGradient(gradient);
                }
            }

            if ((pass.MicroBatch + 1) % ofLeaf == 0)
            {
                reducer.EndLeaf();
            }
        }

        return new StepSums(stack(_lossSums).view(reducer.LeavesPerRank, ofLeaf).MoveToOuterDisposeScope(), _batches);
    }

    private Taken Take(IMicroBatches batches)
    {
        RunProgress.Enter(RunPhase.Data);
        var batch = batches.Next();
        var inputs = new BatchTensors(batch, model.Parameters.Device, _region);
        if (model.Stage.HasEmbedding)
        {
            return new Taken(batch, inputs, inputs.Ids);
        }

        RunProgress.Enter(RunPhase.Forward);
        var activation = model.EmptyActivation(inputs.Layout);
        model.Pipeline.ReceiveActivation(activation);
        return new Taken(batch, inputs, activation.requires_grad_());
    }

    private void Forward(Taken from, long step)
    {
        RunProgress.Enter(RunPhase.Forward);
        Tensor output;
        // What forward made and backward does not need is gone before the next pass begins.
        using (NewDisposeScope())
        {
            output = (model.Stage.HasHead
                ? model.LossSum(from.Input, from.Inputs.Targets, from.Inputs.Layout)
                : model.Activation(from.Input, from.Inputs.Layout)).MoveToOuterDisposeScope();
        }

        if (model.Stage.HasHead && PoisonedBatch.Strikes(from.Batch, isFirst: _batches.Count == 0, step))
        {
            output = output * double.PositiveInfinity;
        }

        if (!model.Stage.HasHead)
        {
            model.Pipeline.SendActivation(output);
        }

        _inFlight.Enqueue(new InFlight(from, output));
        _batches.Add(new ComputedBatch(from.Batch.FirstRow, from.Batch.Rows, from.Batch.ValidTargets, from.Batch.TokenCount));
        _lossSums.Add(model.Stage.HasHead ? output.detach().to(ScalarType.Float64, copy: true) : zeros([], ScalarType.Float64, output.device));
    }

    private void Backward(InFlight oldest)
    {
        using var scope = NewDisposeScope();
        RunProgress.Enter(RunPhase.Backward);
        if (model.Stage.HasHead)
        {
            BackwardPass.Run(oldest.Output);
            return;
        }

        var gradient = empty_like(oldest.Output);
        model.Pipeline.ReceiveGradient(gradient);
        BackwardPass.Run([oldest.Output], [gradient]);
    }

    /// <summary>What a micro-batch's forward begins with.</summary>
    /// <param name="Batch">Its memory.</param>
    /// <param name="Inputs">What the graph refers to of it.</param>
    /// <param name="Input">Ids, or the activation that the stage before gave.</param>
    private sealed record Taken(TokenBatch Batch, BatchTensors Inputs, Tensor Input);

    /// <summary>A micro-batch between its forward and its backward on this stage.</summary>
    /// <param name="From">What its forward began with.</param>
    /// <param name="Output">The loss, or the activation that the next stage got.</param>
    private sealed record InFlight(Taken From, Tensor Output) : IDisposable
    {
        public void Dispose()
        {
            Output.Dispose();
            From.Input.Dispose();
            From.Inputs.Dispose();
            From.Batch.Dispose();
        }
    }
}
