using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Parallel.Regions;

namespace KvShiftScale.Models;

/// <summary>Allocates the parameters of a plan, each rank its part.</summary>
/// <param name="plan">Every parameter of the model.</param>
/// <param name="buckets">Where they are allocated; not initialised here.</param>
/// <param name="region">How tensor-parallel ranks divide each layer.</param>
/// <param name="pipeline">How stages divide the layers.</param>
/// <param name="chunks">The layers of this stage.</param>
internal sealed class ModelParameters(ParameterPlan plan, ParameterBuckets buckets, TensorRegion region, PipelineRegion pipeline, StageChunks chunks)
{
    /// <summary>How tensor-parallel ranks divide each layer.</summary>
    public TensorRegion Region => region;

    /// <summary>What computes with the parameters.</summary>
    public IKernels Kernels => buckets.Kernels;

    /// <summary>Allocates a planned parameter. Ranks of a stage do so in one order.</summary>
    public ParameterSlot Create(string name)
    {
        var planned = plan[name];
        var part = region.PartOf(planned.Shape, planned.Shard);
        return buckets.Create(name, planned.WeightDecay, planned.IsTied ? pipeline.OnBothEnds(part) : part, uses: planned.IsTied && pipeline.Stages == 1 ? 2 : 1,
            chunks.ChunkOf(planned));
    }
}
