using System.Diagnostics;
using System.Globalization;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;
using KvShiftScale.Models;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Models.Initialization;
using KvShiftScale.Parallel.Gradients;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Trainer.BadNumbers;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Session;
using static TorchSharp.torch;

namespace KvShiftScale.ParityProgram;

/// <summary>
/// What canonical sums cost: the same model trained twice side by side, a step with them and a step without in turn, so that both meet the
/// same neighbours. The product's own step; the shape of bench/StepBenchmark.
/// </summary>
internal static class DeterministicCost
{
    private const int WarmUp = 2;

    private static readonly ModelConfig Model = new() { VocabSize = 8192, HiddenSize = 512, Layers = 8, Heads = 8, FfnSize = 1408 };
    private static readonly OptimizerConfig Optimizer = new() { Lr = 1e-4, WarmupSteps = 1 };

    /// <summary>Prints a line for each number of micro-batches that a rank accumulates: 1 and 2, of the 4 rows of a step on two ranks.</summary>
    public static int Run(ParallelContext ranks, string folder, int steps)
    {
        var shard = ranks.BroadcastText(ranks.World.Rank == 0 ? ParityCorpus.Write(folder, Model.VocabSize, 100_000) : "");
        foreach (var microBatch in (int[])[2, 1])
        {
            var data = new DataConfig { Context = 512, GlobalBatch = 4, MicroBatch = microBatch, DocumentMask = false };
            using var plain = new Candidate(ranks, shard, data, leaves: 0);
            using var canonical = new Candidate(ranks, shard, data, leaves: data.GlobalBatch / microBatch);
            for (var step = 1; step <= WarmUp + steps; step++)
            {
                plain.Run(step, timed: step > WarmUp);
                canonical.Run(step, timed: step > WarmUp);
            }
            if (ranks.World.Rank != 0)
            {
                continue;
            }

            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{ranks.World.Size} ranks, {data.GlobalBatch / microBatch} leaves, {data.GlobalBatch / microBatch / ranks.World.Size} of each rank: step {plain.Median:F3} s, deterministic {canonical.Median:F3} s, ratio {canonical.Median / plain.Median:F3}, ratio of the fastest {canonical.Fastest / plain.Fastest:F3}"));
        }
        return 0;
    }

    private sealed class Candidate : IDisposable
    {
        private readonly ParallelContext _ranks;
        private readonly KvShiftTransformer _model;
        private readonly AdamW _optimizer;
        private readonly GradientReducer _reducer;
        private readonly TrainingStep _step;
        private readonly TrainingBatches _batches;
        private readonly List<double> _seconds = [];

        public Candidate(ParallelContext ranks, string shard, DataConfig data, int leaves)
        {
            _ranks = ranks;
            var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), bucketBytes: 32L << 20);
            _model = new KvShiftTransformer(Model, parameters, data.Context);
            _model.Initialize(seed: 1);
            _optimizer = new AdamW(parameters, Optimizer);
            _reducer = new GradientReducer(parameters, ranks.Replicas, leaves > 0 ? new CanonicalReduction(parameters, ranks.Data, ranks.Context, leaves) : null);
            _step = new TrainingStep(_model, ranks, _reducer, _optimizer, new LearningRateSchedule(Optimizer, totalSteps: 1000), Optimizer.ClipNorm,
                new StepGuard(new RunSection { Name = "cost", Steps = 1000 }));
            _batches = new TrainingBatches(ShardCatalog.Open([new DataSource(shard)]), data, seed: 1, Model.VocabSize, new DataShare(ranks.Data.Rank, ranks.Data.Size));
        }

        public double Median => _seconds.Order().ElementAt(_seconds.Count / 2);

        public double Fastest => _seconds.Min();

        public void Run(int step, bool timed)
        {
            _ranks.World.Barrier();
            var started = Stopwatch.GetTimestamp();
            _step.Run(step, _batches);
            _ranks.World.Barrier();
            if (timed)
            {
                _seconds.Add(Stopwatch.GetElapsedTime(started).TotalSeconds);
            }
        }

        public void Dispose()
        {
            _batches.Dispose();
            _reducer.Dispose();
            _optimizer.Dispose();
            _model.Dispose();
        }
    }
}
