using System.Diagnostics;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Session;

namespace KvShiftScale.ParityProgram;

/// <summary>
/// A model of 34 M parameters in training, a step at a time, so that two ways of training it can take turns and meet the same neighbours. The
/// product's own step; the shape of bench/StepBenchmark.
/// </summary>
internal sealed class TimedTraining : IDisposable
{
    /// <summary>What is trained.</summary>
    public static readonly ModelConfig Model = new() { VocabSize = 8192, HiddenSize = 512, Layers = 8, Heads = 8, FfnSize = 1408 };

    private readonly TrainingSession _session;
    private readonly TrainingBatches _batches;
    private readonly List<double> _seconds = [];

    /// <param name="ranks">In the layout; disposed by the caller.</param>
    /// <param name="shard">Its corpus.</param>
    /// <param name="data">Rows of a step and of a micro-batch.</param>
    /// <param name="parallel">The layout; with leaves, sums are canonical.</param>
    public TimedTraining(ParallelContext ranks, string shard, DataConfig data, ParallelConfig parallel)
    {
        Ranks = ranks;
        _session = TrainingSession.Create(new RunConfig
        {
            Run = new RunSection { Name = "cost", Steps = 1000, Deterministic = parallel.CanonicalLeaves > 0 },
            Model = Model,
            Data = data,
            Parallel = parallel,
            Optimizer = new OptimizerConfig { Lr = 1e-4, WarmupSteps = 1 },
        }, ranks);
        _session.Initialize(seed: 1);
        _batches = new TrainingBatches(ShardCatalog.Open([new DataSource(shard)]), data, seed: 1, Model.VocabSize, new DataShare(ranks.Data.Rank, ranks.Data.Size));
    }

    /// <summary>The ranks that train it.</summary>
    public ParallelContext Ranks { get; }

    /// <summary>Parameters that a rank holds.</summary>
    public long Parameters => _session.Model.Parameters.GlobalElementCount;

    /// <summary>Bytes of gradients that live now.</summary>
    public long GradientBytes => _session.Model.Parameters.GradientBytes;

    /// <summary>Of the steps that were timed, in seconds.</summary>
    public double Median => _seconds.Order().ElementAt(_seconds.Count / 2);

    /// <summary>Of the steps that were timed, in seconds.</summary>
    public double Fastest => _seconds.Min();

    /// <summary>One step, from when all ranks have come to when all are done.</summary>
    public void Run(int step, bool timed)
    {
        Ranks.World.Barrier();
        var started = Stopwatch.GetTimestamp();
        _session.Step(step, _batches);
        Ranks.World.Barrier();
        if (timed)
        {
            _seconds.Add(Stopwatch.GetElapsedTime(started).TotalSeconds);
        }
    }

    public void Dispose()
    {
        _batches.Dispose();
        _session.Dispose();
    }
}
