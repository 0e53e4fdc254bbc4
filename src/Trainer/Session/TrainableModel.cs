using KvShiftScale.Models;
using KvShiftScale.Parallel.Gradients;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Parallel.Regions;
using KvShiftScale.Trainer.Configuration;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Session;

/// <summary>This rank's part of a model, not initialised, with what sums its gradients over ranks and what updates it.</summary>
internal sealed class TrainableModel : IDisposable
{
    /// <param name="config">Shape, number format, layout and optimizer.</param>
    /// <param name="ranks">The ranks that train it together.</param>
    public TrainableModel(RunConfig config, ParallelContext ranks)
    {
        Model = Build(config, ranks);
        Optimizer = new AdamW(Model.Parameters, config.Optimizer);
        Reducer = new GradientReducer(Model.Parameters, ranks.Replicas, config.Run.Deterministic
            ? new CanonicalReduction(Model.Parameters, ranks.Data, ranks.Context, CanonicalLeaves(config))
            : null, config.Parallel.Overlap && ranks.AllowsOverlap);
    }

    /// <summary>The model.</summary>
    public KvShiftTransformer Model { get; }

    /// <summary>Its optimizer.</summary>
    public AdamW Optimizer { get; }

    /// <summary>The sum of its gradients.</summary>
    public GradientReducer Reducer { get; }

    public void Dispose()
    {
        Reducer.Dispose();
        Optimizer.Dispose();
        Model.Dispose();
    }

    private static KvShiftTransformer Build(RunConfig config, ParallelContext ranks)
    {
        var share = config.Parallel.OptimizerSharding == OptimizerSharding.Zero1
            ? new OptimizerShare(ranks.Replicas.Rank, ranks.Replicas.Size)
            : OptimizerShare.Whole;
        var dtype = config.Precision switch
        {
            Precision.Fp64 => ScalarType.Float64,
            Precision.Bf16 => ScalarType.BFloat16,
            _ => ScalarType.Float32,
        };
        var parameters = new ParameterBuckets(ComputeDevice.Host(dtype, config.Run.Kernels), (long)config.Parallel.BucketMebibytes << 20, share);
        return new KvShiftTransformer(config.Model, parameters, config.Data.Context,
            new TensorRegion(ranks.Tensor, config.Parallel.IsSequenceParallel))
        {
            Recompute = config.Parallel.Recompute,
        };
    }

    private static int CanonicalLeaves(RunConfig config)
        => config.Parallel.CanonicalLeaves > 0 ? config.Parallel.CanonicalLeaves : config.Data.GlobalBatch / config.Data.MicroBatch;
}
