using KvShiftScale.Data.Loading;
using KvShiftScale.Models;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Models.Initialization;
using KvShiftScale.Parallel.Gradients;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Parallel.Regions;
using KvShiftScale.Trainer.BadNumbers;
using KvShiftScale.Trainer.Configuration;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Session;

/// <summary>
/// This rank's part of a model in training: what sums its gradients over ranks, what updates it, and the step that all of them make. The one
/// place where these are put together, for whatever trains.
/// </summary>
internal sealed class TrainingSession : IDisposable
{
    private readonly TrainingStep _step;

    private TrainingSession(RunConfig config, ParallelContext ranks, long bucketBytes)
    {
        Ranks = ranks;
        Model = Build(config, ranks, bucketBytes);
        Optimizer = new AdamW(Model.Parameters, config.Optimizer);
        Reducer = new GradientReducer(Model.Parameters, ranks.Replicas, config.Run.Deterministic
            ? new CanonicalReduction(Model.Parameters, ranks.Data, ranks.Context, CanonicalLeaves(config))
            : null, config.Parallel.Overlap && ranks.AllowsOverlap);
        Guard = new StepGuard(config.Run);
        _step = new TrainingStep(Model, ranks, Schedule(ranks), Reducer, Optimizer,
            new LearningRateSchedule(config.Optimizer, config.Run.Steps), config.Optimizer.ClipNorm, Guard);
    }

    /// <summary>The ranks that train the model together.</summary>
    public ParallelContext Ranks { get; }

    /// <summary>The model. Not initialised until somebody does that, or loads a checkpoint.</summary>
    public KvShiftTransformer Model { get; }

    /// <summary>Its optimizer.</summary>
    public AdamW Optimizer { get; }

    /// <summary>The sum of its gradients.</summary>
    public GradientReducer Reducer { get; }

    /// <summary>What decides which steps are skipped. A session that goes on from a checkpoint gives it its state.</summary>
    public StepGuard Guard { get; }

    /// <summary>The last step's micro-batches of this rank.</summary>
    public IReadOnlyList<MicroBatchLoss> Losses => _step.Losses;

    /// <inheritdoc cref="TrainingStep.OwnTokens"/>
    public long OwnTokens => _step.OwnTokens;

    /// <param name="config">Shape, number format, layout, optimizer and schedule.</param>
    /// <param name="ranks">The ranks that train it together.</param>
    /// <param name="bucketBytes">Upper bound of a flat bucket; nothing given: what the configuration says.</param>
    public static TrainingSession Create(RunConfig config, ParallelContext ranks, long? bucketBytes = null)
        => new(config, ranks, bucketBytes ?? (long)config.Parallel.BucketMebibytes << 20);

    /// <summary>Begins with random weights, and with what <paramref name="load"/> puts in their place.</summary>
    public void Initialize(long seed, Action? load = null)
    {
        Model.Initialize(seed);
        load?.Invoke();
        // Masters beside narrow parameters are copies of them.
        Optimizer.TakeMasters();
    }

    /// <inheritdoc cref="TrainingStep.Run"/>
    public StepOutcome Step(long step, IMicroBatches batches) => _step.Run(step, batches);

    public void Dispose()
    {
        Reducer.Dispose();
        Optimizer.Dispose();
        Model.Dispose();
    }

    private IMicroBatchSchedule Schedule(ParallelContext ranks) => ranks.Pipeline.Size > 1
        ? new OneForwardOneBackwardSchedule(Model, ranks, Reducer) : new SequentialSchedule(Model, ranks, Reducer);

    private static KvShiftTransformer Build(RunConfig config, ParallelContext ranks, long bucketBytes)
    {
        var share = config.Parallel.OptimizerSharding == OptimizerSharding.None
            ? OptimizerShare.Whole
            : new OptimizerShare(ranks.Replicas.Rank, ranks.Replicas.Size, config.Parallel.OptimizerSharding == OptimizerSharding.Zero2);
        var dtype = config.Precision switch
        {
            Precision.Fp64 => ScalarType.Float64,
            Precision.Bf16 => ScalarType.BFloat16,
            _ => ScalarType.Float32,
        };
        var parameters = new ParameterBuckets(ComputeDevice.Host(dtype, config.Run.Kernels), bucketBytes, share);
        return new KvShiftTransformer(config.Model, parameters, config.Data.Context,
            new TensorRegion(ranks.Tensor, config.Parallel.IsSequenceParallel), new PipelineRegion(ranks.Pipeline, config.Model.TieEmbeddings, config.Parallel.VirtualStages))
        {
            Recompute = config.Parallel.Recompute,
        };
    }

    private static int CanonicalLeaves(RunConfig config)
        => config.Parallel.CanonicalLeaves > 0 ? config.Parallel.CanonicalLeaves : config.Data.GlobalBatch / config.Data.MicroBatch;
}
