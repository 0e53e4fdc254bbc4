using System.Diagnostics;
using System.Globalization;
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
        private readonly TrainingSession _session;
        private readonly TrainingBatches _batches;
        private readonly List<double> _seconds = [];

        public Candidate(ParallelContext ranks, string shard, DataConfig data, int leaves)
        {
            _ranks = ranks;
            _session = TrainingSession.Create(new RunConfig
            {
                Run = new RunSection { Name = "cost", Steps = 1000, Deterministic = leaves > 0 },
                Model = Model,
                Data = data,
                Parallel = new ParallelConfig { OptimizerSharding = OptimizerSharding.None, Overlap = false, CanonicalLeaves = leaves },
                Optimizer = Optimizer,
            }, ranks);
            _session.Initialize(seed: 1);
            _batches = new TrainingBatches(ShardCatalog.Open([new DataSource(shard)]), data, seed: 1, Model.VocabSize, new DataShare(ranks.Data.Rank, ranks.Data.Size));
        }

        public double Median => _seconds.Order().ElementAt(_seconds.Count / 2);

        public double Fastest => _seconds.Min();

        public void Run(int step, bool timed)
        {
            _ranks.World.Barrier();
            var started = Stopwatch.GetTimestamp();
            _session.Step(step, _batches);
            _ranks.World.Barrier();
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
}
