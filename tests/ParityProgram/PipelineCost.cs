using System.Globalization;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.ParityProgram;

/// <summary>
/// What a pipeline costs against data parallelism of as many ranks, with one chunk a stage and with two: a step of each in turn, over the same rows in the
/// same micro-batches.
/// </summary>
internal static class PipelineCost
{
    private const int WarmUp = 2;

    /// <summary>Prints a line for each number of micro-batches a step and of chunks: as many micro-batches as stages, and two and four times as many.</summary>
    public static int Run(ParallelContext ranks, string folder, int steps)
    {
        var shard = ranks.BroadcastText(ranks.World.Rank == 0 ? ParityCorpus.Write(folder, TimedTraining.Model.VocabSize, 100_000) : "");
        var stages = ranks.World.Size;
        foreach (var microBatches in (int[])[stages, 2 * stages, 4 * stages])
        {
            var data = new DataConfig { Context = 512, GlobalBatch = microBatches, MicroBatch = 1, DocumentMask = false };
            using var divided = ranks.Divide(new ParallelConfig { Pipeline = stages });
            using var replicas = new TimedTraining(ranks, shard, data, new ParallelConfig());
            using var whole = new TimedTraining(divided, shard, data, new ParallelConfig { Pipeline = stages });
            using var interleaved = new TimedTraining(divided, shard, data, new ParallelConfig { Pipeline = stages, VirtualStages = 2 });
            (int Chunks, TimedTraining Training)[] pipelines = [(1, whole), (2, interleaved)];
            var seconds = new double[pipelines.Length];
            for (var step = 1; step <= WarmUp + steps; step++)
            {
                var isTimed = step > WarmUp;
                replicas.Run(step, isTimed);
                foreach (var (number, pipeline) in pipelines.Index())
                {
                    var before = WaitOf(divided);
                    pipeline.Training.Run(step, isTimed);
                    seconds[number] += isTimed ? WaitOf(divided) - before : 0;
                }
            }

            foreach (var (number, (chunks, pipeline)) in pipelines.Index())
            {
                var waits = ranks.World.Gather<double>([seconds[number] / steps / pipeline.Median]);
                if (ranks.World.Rank != 0)
                {
                    continue;
                }

                var tokens = (double)data.GlobalBatch * data.Context;
                var rates = FormattableString.Invariant($"data {tokens / replicas.Median:F0} tokens/s, pipeline {tokens / pipeline.Median:F0}");
                var ratios = FormattableString.Invariant($"ratio {replicas.Median / pipeline.Median:F3}, of the fastest {replicas.Fastest / pipeline.Fastest:F3}");
                var bubble = FormattableString.Invariant($"bubble by formula {(stages - 1.0) / (chunks * microBatches + stages - 1):P0}");
                var waited = string.Join(", ", waits.Select(wait => wait[0].ToString("P0", CultureInfo.InvariantCulture)));
                Console.WriteLine(FormattableString.Invariant(
                    $"{stages} ranks, {microBatches} micro-batches, {chunks} chunk(s) a stage: {rates}, {ratios}; {bubble}, stages waited {waited}"));
            }
        }
        return 0;
    }

    // Seconds in which a stage could do nothing but wait for its neighbours.
    private static double WaitOf(ParallelContext ranks)
        => ranks.Pipeline.Ledger.Counters.Of(CollectiveOperation.Receive).Seconds + ranks.Pipeline.Ledger.Counters.Of(CollectiveOperation.Send).Seconds;
}
