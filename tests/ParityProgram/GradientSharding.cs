using System.Globalization;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.ParityProgram;

/// <summary>What it costs, and what it saves, that ranks keep their part of the gradients only (ZeRO stage 2).</summary>
internal static class GradientSharding
{
    private const int WarmUp = 2;

    /// <summary>A step of zero1 and a step of zero2 in turn, and a line for each number of micro-batches that a rank accumulates.</summary>
    public static int RunCost(ParallelContext ranks, string folder, int steps)
    {
        var shard = Corpus(ranks, folder);
        foreach (var microBatches in (int[])[1, 2, 4])
        {
            var data = Data(ranks, microBatches);
            using var first = new TimedTraining(ranks, shard, data, new ParallelConfig());
            using var second = new TimedTraining(ranks, shard, data, new ParallelConfig { OptimizerSharding = OptimizerSharding.Zero2 });
            for (var step = 1; step <= WarmUp + steps; step++)
            {
                first.Run(step, timed: step > WarmUp);
                second.Run(step, timed: step > WarmUp);
            }

            if (ranks.World.Rank == 0)
            {
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{ranks.World.Size} ranks, {microBatches} micro-batches: zero1 {first.Median:F3} s, zero2 {second.Median:F3} s, ratio {second.Median / first.Median:F3}, ratio of the fastest {second.Fastest / first.Fastest:F3}"));
            }
        }

        return 0;
    }

    /// <summary>A line for each rank: bytes of gradients between steps, and the most memory that the process had.</summary>
    public static int RunMemory(ParallelContext ranks, string folder, OptimizerSharding sharding)
    {
        var shard = Corpus(ranks, folder);
        // Without shared memory, so that what is resident is a rank's own.
        using var training = new TimedTraining(ranks, shard, Data(ranks, microBatches: 2),
            new ParallelConfig { OptimizerSharding = sharding, BucketMebibytes = 4, Overlap = false });
        for (var step = 1; step <= 2; step++)
        {
            training.Run(step, timed: false);
        }

        var line = string.Create(CultureInfo.InvariantCulture,
            $"rank {ranks.World.Rank}: gradient bytes {training.GradientBytes}, most resident bytes {ResidentMemory.Most}, parameters {training.Parameters}");
        var lines = ranks.World.AllGatherTexts(line);
        if (ranks.World.Rank == 0)
        {
            Console.WriteLine(string.Join(Environment.NewLine, lines));
        }

        return 0;
    }

    private static string Corpus(ParallelContext ranks, string folder)
        => ranks.BroadcastText(ranks.World.Rank == 0 ? ParityCorpus.Write(folder, TimedTraining.Model.VocabSize, 100_000) : "");

    private static DataConfig Data(ParallelContext ranks, int microBatches)
        => new() { Context = 256, GlobalBatch = ranks.World.Size * microBatches, MicroBatch = 1, DocumentMask = false };
}
