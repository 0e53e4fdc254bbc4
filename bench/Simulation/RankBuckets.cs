using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Parameters;

namespace KvShiftScale.Simulation;

/// <summary>What the parameters of a bucket have in common, as <see cref="BucketTraits"/>.</summary>
/// <param name="WeightDecay">The optimizer decays them.</param>
/// <param name="PartialOver">Kind of the group over which gradients are summed before the replicas'; null: none.</param>
/// <param name="IsPrimary">This rank's copy counts in norms.</param>
/// <param name="Chunk">The part of the rank's layers with whose backward their gradients come.</param>
internal readonly record struct RankBucketTraits(bool WeightDecay, int? PartialOver, bool IsPrimary, int Chunk);

/// <summary>
/// The parameters that one rank holds, out of the plan that models are built from, in the buckets in which they are allocated. What <c>TensorRegion.PartOf</c> and
/// <c>PipelineRegion.OnBothEnds</c> say of a part is repeated here, since they form groups of MPI.
/// </summary>
internal sealed class RankBuckets
{
    private readonly ParallelConfig _parallel;
    private readonly LaunchGroups _groups;
    private readonly int _stage;
    private readonly int _tensorRank;
    private readonly Dictionary<string, int> _bucketOf = [];
    private readonly Dictionary<int, int> _gradients = [];

    /// <param name="model">The model.</param>
    /// <param name="parallel">How it is divided.</param>
    /// <param name="groups">The groups of the launch; those that parameters need are formed.</param>
    /// <param name="stage">The rank's stage.</param>
    /// <param name="tensorRank">Its place among those that divide matrices.</param>
    /// <param name="gradientBytes">Bytes of a gradient's element.</param>
    public RankBuckets(ModelConfig model, ParallelConfig parallel, LaunchGroups groups, int stage, int tensorRank, int gradientBytes)
    {
        (_parallel, _groups, _stage, _tensorRank) = (parallel, groups, stage, tensorRank);
        var packing = new BucketPacking<RankBucketTraits>(Math.Max(1, ((long)parallel.BucketMebibytes << 20) / gradientBytes));
        var chunks = StageChunks.Of(model.Layers, stage, parallel.Pipeline, parallel.VirtualStages);
        foreach (var parameter in ParameterPlan.Of(model).Parameters.Where(chunks.Holds))
        {
            var bucket = packing.Place(TraitsOf(parameter, chunks.ChunkOf(parameter)), parameter.Shard.HeldElements(parameter.Shape, parallel.Tensor));
            _bucketOf.Add(parameter.Name, bucket);
            // One that is both embedding and head has two.
            _gradients[bucket] = _gradients.GetValueOrDefault(bucket) + (parameter.IsTied && parallel.Pipeline == 1 ? 2 : 1);
        }

        Buckets = [.. packing.Buckets.Select(bucket => (bucket.Traits, bucket.Length))];
    }

    /// <summary>Traits and elements in use, in order of allocation.</summary>
    public IReadOnlyList<(RankBucketTraits Traits, long Length)> Buckets { get; }

    /// <summary>The bucket that has a parameter.</summary>
    public int BucketOf(string parameter) => _bucketOf[parameter];

    /// <summary>Gradients that one backward gives a bucket.</summary>
    public int GradientsOf(int bucket) => _gradients[bucket];

    private RankBucketTraits TraitsOf(PlannedParameter parameter, int chunk)
    {
        var part = parameter.Shard switch
        {
            ShardRule.Replicated => new RankBucketTraits(parameter.WeightDecay, _parallel.IsSequenceParallel ? _groups.Tensor : null, _tensorRank == 0, chunk),
            ShardRule.DividedByHead(var heads) when _parallel.Tensor > heads => new RankBucketTraits(parameter.WeightDecay,
                _groups.HeadReplicas(_parallel.Tensor / heads), _tensorRank % (_parallel.Tensor / heads) == 0, chunk),
            _ => new RankBucketTraits(parameter.WeightDecay, null, true, chunk),
        };
        return parameter.IsTied && _parallel.Pipeline > 1 ? part with { PartialOver = _groups.PipelineEnds(), IsPrimary = part.IsPrimary && _stage == 0 } : part;
    }
}
