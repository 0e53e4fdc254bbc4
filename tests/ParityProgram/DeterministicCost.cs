using System.Globalization;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.ParityProgram;

/// <summary>What canonical sums cost: a step with them and a step without in turn.</summary>
internal static class DeterministicCost
{
    private const int WarmUp = 2;

    /// <summary>Prints a line for each number of micro-batches that a rank accumulates: 1 and 2, of the 4 rows of a step on two ranks.</summary>
    public static int Run(ParallelContext ranks, string folder, int steps)
    {
        var shard = ranks.BroadcastText(ranks.World.Rank == 0 ? ParityCorpus.Write(folder, TimedTraining.Model.VocabSize, 100_000) : "");
        var layout = new ParallelConfig { OptimizerSharding = OptimizerSharding.None, Overlap = false };
        foreach (var microBatch in (int[])[2, 1])
        {
            var data = new DataConfig { Context = 512, GlobalBatch = 4, MicroBatch = microBatch, DocumentMask = false };
            using var plain = new TimedTraining(ranks, shard, data, layout);
            using var canonical = new TimedTraining(ranks, shard, data, layout with { CanonicalLeaves = data.GlobalBatch / microBatch });
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
}
