using KvShiftScale.Core.Faults;
using KvShiftScale.Core.Progress;
using KvShiftScale.Data.Loading;
using KvShiftScale.Models;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Gradients;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Pipelines;
using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Session;

/// <summary>
/// Micro-batches through the stages of a pipeline, by <see cref="PipelineTimetable"/>. Every stage reads the same batches, so activations and their
/// gradients are all that neighbours exchange. Only the last stage has losses; those of the others are zeros.
/// </summary>
/// <remarks>
/// Nothing is under way while a stage computes, since MPI moves large messages only while both sides are inside it: who sends waits until the other
/// takes it.
/// </remarks>
internal sealed class OneForwardOneBackwardSchedule(KvShiftTransformer model, ParallelContext ranks, GradientReducer reducer) : IMicroBatchSchedule
{
    private readonly ContextRegion _region = new(ranks.Context);
    private readonly List<ComputedBatch> _batches = [];
    private readonly List<Tensor> _lossSums = [];
    private readonly Dictionary<int, Taken> _taken = [];
    private readonly Dictionary<(int Chunk, int MicroBatch), InFlight> _inFlight = [];
    private IReadOnlyList<StageStep> _steps = [];
    private int _stepsAreFor;

    public StepSums Run(long step, IMicroBatches batches)
    {
        using var scope = NewDisposeScope();
        _batches.Clear();
        _lossSums.Clear();
        var microBatches = batches.MicroBatchesPerStep;
        if (_stepsAreFor != microBatches)
        {
            _steps = PipelineTimetable.Of(model.Pipeline.Stages, model.Pipeline.Chunks, microBatches)[model.Pipeline.Stage];
            _stepsAreFor = microBatches;
        }

        var ofLeaf = microBatches / reducer.LeavesPerRank;
        foreach (var (action, pass) in _steps)
        {
            var passage = Passage(pass, batches);
            RunProgress.Enter(pass.IsForward ? RunPhase.Forward : RunPhase.Backward);
            if (action == StageAction.Compute)
            {
                InjectedFaults.Reach("pipeline.pass");
            }

            switch (action)
            {
                case StageAction.Receive:
                    Receive(pass, passage);
                    break;
                case StageAction.Send:
                    Send(pass, passage);
                    break;
                case StageAction.Compute when pass.IsForward:
                    Forward(passage, pass, step);
                    break;
                default:
                    reducer.BeginMicroBatch(isLast: pass.MicroBatch == microBatches - 1, pass.Chunk);
                    Backward(passage);
                    break;
            }

            // The stage before waits for the gradient, and the sums of a leaf may wait for that stage.
            if (pass.IsForward || action != (passage.Range.HasEmbedding ? StageAction.Compute : StageAction.Send))
            {
                continue;
            }

            End(pass, passage);
            if (pass.Chunk == 0 && (pass.MicroBatch + 1) % ofLeaf == 0)
            {
                reducer.EndLeaf();
            }
        }

        return new StepSums(stack(_lossSums).view(reducer.LeavesPerRank, ofLeaf).MoveToOuterDisposeScope(), _batches);
    }

    // The first pass of a micro-batch takes it; a stage's first chunk has them in their order.
    private InFlight Passage(StagePass pass, IMicroBatches batches)
    {
        if (_inFlight.TryGetValue((pass.Chunk, pass.MicroBatch), out var known))
        {
            return known;
        }

        if (!_taken.TryGetValue(pass.MicroBatch, out var taken))
        {
            RunProgress.Enter(RunPhase.Data);
            var batch = batches.Next();
            _batches.Add(new ComputedBatch(batch.FirstRow, batch.Rows, batch.ValidTargets, batch.TokenCount));
            _taken.Add(pass.MicroBatch, taken = new Taken(batch, new BatchTensors(batch, model.Parameters.Device, _region)));
        }

        return _inFlight[(pass.Chunk, pass.MicroBatch)] = new InFlight(taken, model.Stage.Chunks[pass.Chunk]);
    }

    private void Receive(StagePass pass, InFlight passage)
    {
        if (pass.IsForward)
        {
            passage.Input = model.EmptyActivation(passage.From.Inputs.Layout);
            model.Pipeline.ReceiveActivation(passage.Input);
            passage.Input.requires_grad_();
            return;
        }

        passage.Gradient = empty_like(passage.Output!);
        model.Pipeline.ReceiveGradient(passage.Gradient);
    }

    private void Send(StagePass pass, InFlight passage)
    {
        if (pass.IsForward)
        {
            model.Pipeline.SendActivation(passage.Output!);
            return;
        }

        using var gradient = passage.Input!.grad!;
        model.Pipeline.SendGradient(gradient);
    }

    private void Forward(InFlight passage, StagePass pass, long step)
    {
        var (batch, inputs) = passage.From;
        Tensor output;
        // What forward made and backward does not need is gone before the next pass begins.
        using (NewDisposeScope())
        {
            var input = passage.Input ?? inputs.Ids;
            output = (passage.Range.HasHead
                ? model.LossSum(input, inputs.Targets, inputs.Layout)
                : model.Activation(input, inputs.Layout, pass.Chunk)).MoveToOuterDisposeScope();
        }

        if (passage.Range.HasHead && PoisonedBatch.Strikes(batch, isFirst: pass.MicroBatch == 0, step))
        {
            output = output * double.PositiveInfinity;
        }

        passage.Output = output;
        if (pass.Chunk == model.Stage.Chunks.Count - 1)
        {
            _lossSums.Add(passage.Range.HasHead ? output.detach().to(ScalarType.Float64, copy: true) : zeros([], ScalarType.Float64, output.device));
        }
    }

    private static void Backward(InFlight passage)
    {
        using var scope = NewDisposeScope();
        if (passage.Gradient is null)
        {
            BackwardPass.Run(passage.Output!);
        }
        else
        {
            BackwardPass.Run([passage.Output!], [passage.Gradient]);
        }

        passage.Output!.Dispose();
        passage.Gradient?.Dispose();
    }

    private void End(StagePass pass, InFlight passage)
    {
        passage.Input?.Dispose();
        _inFlight.Remove((pass.Chunk, pass.MicroBatch));
        if (pass.Chunk == 0)
        {
            passage.From.Inputs.Dispose();
            passage.From.Batch.Dispose();
            _taken.Remove(pass.MicroBatch);
        }
    }

    /// <summary>A micro-batch from its first forward to its last backward on this stage.</summary>
    /// <param name="Batch">Its memory.</param>
    /// <param name="Inputs">What the graphs refer to of it.</param>
    private sealed record Taken(TokenBatch Batch, BatchTensors Inputs);

    /// <summary>A micro-batch in a chunk of this stage, from its forward to its backward.</summary>
    /// <param name="from">The micro-batch.</param>
    /// <param name="range">The chunk's layers.</param>
    private sealed class InFlight(Taken from, StageRange range)
    {
        public Taken From => from;

        public StageRange Range => range;

        /// <summary>The activation that the stage before gave; null where forward begins with ids.</summary>
        public Tensor? Input { get; set; }

        /// <summary>The loss, or the activation that the next stage gets.</summary>
        public Tensor? Output { get; set; }

        /// <summary>The gradient of that activation, from when the next stage has given it.</summary>
        public Tensor? Gradient { get; set; }
    }
}
