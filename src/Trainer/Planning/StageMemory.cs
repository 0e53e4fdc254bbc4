using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Pipelines;

namespace KvShiftScale.Trainer.Planning;

/// <summary>The most bytes of tensors that a rank of one stage of a pipeline has in a step.</summary>
internal static class StageMemory
{
    /// <summary>Every term; their sum is the peak.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="held">What ranks hold of its parameters.</param>
    /// <param name="stage">From 0.</param>
    /// <param name="ranksPerNode">Ranks that may share memory.</param>
    public static IReadOnlyList<PlanTerm> Terms(RunPlan plan, HeldParameters held, int stage, int ranksPerNode)
    {
        var (config, parallel) = (plan.Config, plan.Config.Parallel);
        var bytes = ElementBytes.Of(config.Precision);
        var (stages, chunks) = (parallel.Pipeline, parallel.VirtualStages);
        var own = StageChunks.Of(config.Model.Layers, stage, stages, chunks);
        var memory = plan.MemoryOfStage(config.Precision, stage);
        var elements = plan.ElementsOfStage(stage);
        var buckets = held.Buckets(parallel, stage, bytes.Wide);
        var unused = buckets.Capacity - elements;
        // Gradients that replicas of one machine sum where they lie have no room to spare.
        var hasOwnGradients = plan.Replicas == 1 || !parallel.Overlap || config.Run.Deterministic || plan.Ranks / stages > ranksPerNode;
        // Of buckets whose gradients are kept in parts there are whole ones only in backward: one that is written to, and two on their way.
        var isDivided = parallel.OptimizerSharding == OptimizerSharding.Zero2 && plan.Replicas > 1;
        var unusedGradients = isDivided ? buckets.PartialCapacity - buckets.PartialLength : unused;
        var unusedBytes = unused * bytes.Narrow + (hasOwnGradients ? unusedGradients * bytes.Wide : 0);
        var wholeGradients = isDivided ? buckets.LargestThree + buckets.PartialLength * (1 - 1.0 / plan.Replicas) : 0;

        var shift = ShiftPlan.Of(config.Model.KvShift);
        // Where layers slide every second one does, so that two are all kinds.
        double[] keptOfKinds = [.. Enumerable.Range(0, config.Model.SlidingWindow > 0 ? Math.Min(2, config.Model.Layers) : 1).Select(layer => Layer(layer).Kept(parallel.Recompute))];
        int[] layers = [.. own.Chunks.SelectMany(range => Enumerable.Range(range.FirstLayer, range.EndLayer - range.FirstLayer))];
        var kept = layers.Sum(layer => keptOfKinds[layer % keptOfKinds.Length]);
        var (sizes, last) = (LayerSizes.Of(config, layers[^1]), Layer(layers[^1]));
        // A block's first input is the sum of the two that come from the block before; the first block of a chunk has one.
        var outer = sizes.Outer * bytes.Narrow;
        if (parallel.Recompute == Recompute.Full)
        {
            kept -= chunks * outer;
        }

        // Of chunks of unequal size an average one.
        var inFlight = PipelineOrder.MostHeld(stage, stages, chunks, plan.MicroSteps);
        // Outputs that wait for their gradients, and inputs that have come: with several chunks a few are ahead.
        var boundaries = stages == 1 ? 0 : chunks == 1 ? outer * ((own.HasHead ? 0 : inFlight) + (own.HasEmbedding ? 0 : 1)) : outer * (inFlight + 2 + stages / 4);
        // What stays of the embedding until all blocks are done.
        var embedding = own.HasEmbedding ? outer * (parallel.Tensor > 1 ? 2 : 1) : 0;
        var head = own.HasHead ? HeadBytes(config.Model, sizes, parallel, bytes) + embedding : 0;
        // What is alive beside what all micro-batches have kept: at the end of the last block, in the loss, or in the last block's backward.
        var forward = last.Forward - last.Kept(parallel.Recompute) + outer + embedding;
        var backward = last.Backward(parallel.Recompute) + (own.HasHead ? outer : 0);
        var working = Math.Max(forward, Math.Max(head, backward));
        var phase = working == head ? "the loss" : working == forward ? "forward of the last block" : "backward of the last block";
        var rotary = (double)config.Data.Context * bytes.Narrow
            * layers.DistinctBy(layer => layer % keptOfKinds.Length).Select(layer => config.Model.Attention(layer).HeadSize).Distinct().Sum();
        return
        [
            new("parameters", memory.Parameters, $"{elements:N0} elements x {bytes.Narrow} B"),
            new("gradients", memory.Gradients, $"{elements:N0} elements x {bytes.Wide} B{(isDivided ? FormattableString.Invariant($" over {plan.Replicas} replicas") : "")}"),
            new("whole gradients", wholeGradients * bytes.Wide, $"{wholeGradients:N0} elements of buckets that are kept in parts, beside these parts"),
            new("optimizer", memory.Optimizer, $"{parallel.OptimizerSharding} over {plan.Replicas} replicas"),
            new("unused room of buckets", unusedBytes, $"{unused:N0} elements in buckets of {parallel.BucketMebibytes} MiB"),
            new("activations", inFlight * kept / chunks, $"{inFlight} {(chunks == 1 ? "micro-batches" : "passes of a chunk")} in flight x {(double)layers.Length / chunks:0.##} layers x {kept / layers.Length:N0} B, recompute {parallel.Recompute}"),
            new("activations between stages", boundaries, $"{boundaries / outer:N0} x {sizes.OuterTokens:N0} tokens x {sizes.Hidden:N0} x {bytes.Narrow} B"),
            new("working memory", working, $"{phase} has most: loss {head:N0} B, forward {forward:N0} B, backward {backward:N0} B"),
            new("rotary tables", rotary, $"{config.Data.Context:N0} positions"),
            new("save copy", memory.Staging, $"a parameter and two moments of this rank's part"),
        ];

        LayerMemory Layer(int layer) => new(LayerSizes.Of(config, layer), shift, parallel, bytes);
    }

    /// <summary>Logits at a time: rows of a chunk.</summary>
    public static double ChunkRows(ModelConfig model, LayerSizes sizes, ParallelConfig parallel)
        => ModelCost.LogitRows((long)sizes.Tokens, (long)HeadRows(model, parallel));

    /// <summary>Rows of the output head that a rank holds.</summary>
    public static double HeadRows(ModelConfig model, ParallelConfig parallel) => ShardRule.DividedByVocabulary.RowsOf(model.VocabSize, parallel.Tensor);

    // The final norm, its gathered rows and their gradient, the gradient of the head, and a chunk's logits, with their narrow copy in bfloat16; rows twice, as in a block. Beside them what the last block has
    // left to add, and the residual where blocks keep only their inputs.
    private static double HeadBytes(ModelConfig model, LayerSizes sizes, ParallelConfig parallel, ElementBytes bytes)
    {
        var rows = HeadRows(model, parallel);
        var outer = 2 + 1 + 1 + (parallel.Recompute == Recompute.Full ? 1 : 0);
        var inner = (parallel.IsSequenceParallel ? 2 : parallel.Tensor > 1 ? 1 : 0) + 1;
        var chunk = ChunkRows(model, sizes, parallel) * rows;
        return bytes.Narrow * (outer * sizes.Outer + inner * sizes.Inner) + bytes.Wide * (sizes.OuterTokens + rows * sizes.Hidden + chunk)
            + (bytes.Narrow < bytes.Wide ? bytes.Narrow * chunk : 0);
    }
}
