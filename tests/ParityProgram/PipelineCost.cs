using System.Globalization;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.ParityProgram;

/// <summary>What a pipeline costs against data parallelism of as many ranks: a step of each in turn, over the same rows in the same micro-batches.</summary>
internal static class PipelineCost
{
    private const int WarmUp = 2;

    /// <summary>Prints a line for each number of micro-batches a step: as many as stages, and two and four times as many.</summary>
    public static int Run(ParallelContext ranks, string folder, int steps)
    {
        var shard = ranks.BroadcastText(ranks.World.Rank == 0 ? ParityCorpus.Write(folder, TimedTraining.Model.VocabSize, 100_000) : "");
        var stages = ranks.World.Size;
        foreach (var microBatches in (int[])[stages, 2 * stages, 4 * stages])
        {
            var data = new DataConfig { Context = 512, GlobalBatch = microBatches, MicroBatch = 1, DocumentMask = false };
            var layout = new ParallelConfig { Pipeline = stages };
            using var divided = ranks.Divide(layout);
            using var replicas = new TimedTraining(ranks, shard, data, new ParallelConfig());
            using var pipeline = new TimedTraining(divided, shard, data, layout);
            var waited = 0.0;
            for (var step = 1; step <= WarmUp + steps; step++)
            {
                replicas.Run(step, timed: step > WarmUp);
                var before = WaitOf(divided);
                pipeline.Run(step, timed: step > WarmUp);
                waited += step > WarmUp ? WaitOf(divided) - before : 0;
            }

            var waits = ranks.World.Gather<double>([waited / steps / pipeline.Median]);
            if (ranks.World.Rank != 0)
            {
                continue;
            }

            var tokens = (double)data.GlobalBatch * data.Context;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{stages} ranks, {microBatches} micro-batches: data {tokens / replicas.Median:F0} tokens/s, pipeline {tokens / pipeline.Median:F0}, ratio {replicas.Median / pipeline.Median:F3}, of the fastest {replicas.Fastest / pipeline.Fastest:F3}; bubble by formula {(stages - 1.0) / (microBatches + stages - 1):P0}, stages waited {string.Join(", ", waits.Select(wait => wait[0].ToString("P0", CultureInfo.InvariantCulture)))}"));
        }
        return 0;
    }

    // Seconds in which a stage could do nothing but wait for its neighbours.
    private static double WaitOf(ParallelContext ranks)
        => ranks.Pipeline.Ledger.Counters.Of(CollectiveOperation.Receive).Seconds + ranks.Pipeline.Ledger.Counters.Of(CollectiveOperation.Send).Seconds;
}
