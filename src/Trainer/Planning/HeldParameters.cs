using System.Collections.Concurrent;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Parameters;

namespace KvShiftScale.Trainer.Planning;

/// <summary>What a rank holds of a model's parameters, counted once for each division of the model. Several threads may ask.</summary>
/// <param name="model">Shape of the model.</param>
internal sealed class HeldParameters(ModelConfig model)
{
    private readonly ConcurrentDictionary<(int Tensor, int Stages, int Chunks, int Stage), double> _elements = [];
    private readonly ConcurrentDictionary<(int Tensor, bool Sequence, int Stages, int Chunks, int Stage, int Mebibytes), HeldBuckets> _buckets = [];

    /// <summary>The parameters.</summary>
    public ParameterPlan Plan { get; } = ParameterPlan.Of(model);

    /// <summary>Elements of a rank of one stage.</summary>
    public double Elements(ParallelConfig parallel, int stage)
    {
        var key = (parallel.Tensor, parallel.Pipeline, parallel.VirtualStages, stage);
        if (!_elements.TryGetValue(key, out var elements))
        {
            _elements[key] = elements = OfStage(parallel, stage).Parameters.Sum(parameter => parameter.Shard.HeldElements(parameter.Shape, parallel.Tensor));
        }

        return elements;
    }

    /// <summary>The buckets of a rank of one stage: what is reduced differently lies in buckets of its own.</summary>
    /// <param name="parallel">The division.</param>
    /// <param name="stage">From 0.</param>
    /// <param name="gradientBytes">Bytes of a gradient's element, by which buckets are measured.</param>
    public HeldBuckets Buckets(ParallelConfig parallel, int stage, int gradientBytes)
    {
        var key = (parallel.Tensor, parallel.IsSequenceParallel, parallel.Pipeline, parallel.VirtualStages, stage, parallel.BucketMebibytes);
        if (!_buckets.TryGetValue(key, out var buckets))
        {
            var packing = new BucketPacking<(bool Decays, ShardRule? PartialBy, bool IsTied, int Chunk)>(((long)parallel.BucketMebibytes << 20) / gradientBytes);
            var (chunks, parameters) = OfStage(parallel, stage);
            foreach (var parameter in parameters)
            {
                packing.Place((parameter.WeightDecay, PartialBy(parameter.Shard, parallel), parallel.Pipeline > 1 && parameter.IsTied, chunks.ChunkOf(parameter)),
                    parameter.Shard.HeldElements(parameter.Shape, parallel.Tensor));
            }

            var isPartial = packing.Buckets.ToLookup(bucket => bucket.Traits.PartialBy is not null || bucket.Traits.IsTied);
            _buckets[key] = buckets = new HeldBuckets(packing.Buckets.Sum(bucket => bucket.Capacity), isPartial[true].Sum(bucket => bucket.Capacity),
                isPartial[true].Sum(bucket => bucket.Length), isPartial[false].Select(bucket => bucket.Length).OrderDescending().Take(3).Sum());
        }

        return buckets;
    }

    private (StageChunks Chunks, IEnumerable<PlannedParameter> Parameters) OfStage(ParallelConfig parallel, int stage)
    {
        var chunks = StageChunks.Of(model.Layers, stage, parallel.Pipeline, parallel.VirtualStages);
        return (chunks, Plan.Parameters.Where(chunks.Holds));
    }

    // What all but the first of tensor-parallel ranks have apart: copies that do not count in norms, and gradients that neighbours sum.
    private static ShardRule? PartialBy(ShardRule rule, ParallelConfig parallel) => rule switch
    {
        ShardRule.Replicated when parallel.Tensor > 1 => rule,
        ShardRule.DividedByHead(var heads) when parallel.Tensor > heads => rule,
        _ => null,
    };
}
