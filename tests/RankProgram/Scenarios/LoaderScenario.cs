using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.RankProgram.Scenarios;

/// <summary>
/// The first 1,000 global batches put together from the rows that each rank reads are those of one reader, also after resuming; and
/// ranks that count row groups together find what one finds.
/// </summary>
internal static class LoaderScenario
{
    private const int Steps = 1000;
    private const int Vocabulary = 50_000;

    private static readonly DataConfig Config = new() { Context = 16, GlobalBatch = 12, MicroBatch = 2, ShuffleRowGroups = 3, ReaderThreads = 2 };

    public static void Run()
    {
        using var context = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true);
        var folder = context.BroadcastText(context.World.Rank == 0 ? Directory.CreateTempSubdirectory("kvshift-loader-").FullName : "");
        if (context.World.Rank == 0)
        {
            Write(folder);
        }

        context.World.Barrier();
        DataSource[] sources = [new(Path.Combine(folder, "a*.parquet"), 0.7), new(Path.Combine(folder, "b*.parquet"), 0.3)];
        var orders = from packing in (Packing[])[Packing.Concatenate, Packing.Pad]
                     from order in (RowOrder[])[RowOrder.Shuffled, RowOrder.Sequential]
                     select (packing, order);
        foreach (var (packing, order) in orders)
        {
            var config = Config with { Packing = packing, RowOrder = order };
            var counting = new CountingOptions
            {
                PaddedContext = packing == Packing.Pad ? config.Context : null,
                Share = new DataShare(context.World.Rank, context.World.Size),
                SumOverShares = values => Sum(context, values),
                File = Path.Combine(folder, "counts.json"),
            };
            var catalog = ShardCatalog.Open(sources, counting);
            var alone = ShardCatalog.Open(sources, new CountingOptions { PaddedContext = counting.PaddedContext });
            Expect.Equal(alone.Sources[0].Fingerprint, catalog.Sources[0].Fingerprint, $"{packing}, {order}: counts of the ranks together");

            var expected = Hashes(alone, config, DataShare.Whole, 0);
            foreach (var start in (int[])[0, 1, 37, 500])
            {
                var together = Hashes(catalog, config, new DataShare(context.Data.Rank, context.Data.Size), start);
                Sum(context, together);
                Expect.Equal(true, expected.AsSpan(start * config.GlobalBatch).SequenceEqual(together), $"{packing}, {order}: rows from step {start} on");
            }
        }

        context.World.Barrier();
        if (context.World.Rank == 0)
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // A hash of inputs, targets and positions of each row of the first 1,000 steps; 0 for rows of other shares.
    private static long[] Hashes(ShardCatalog catalog, DataConfig config, DataShare share, int firstStep)
    {
        var (first, _) = share.Of(config.GlobalBatch);
        var hashes = new long[(Steps - firstStep) * config.GlobalBatch];
        using var batches = new TrainingBatches(catalog, config, seed: 5, Vocabulary, share, firstStep);
        for (var step = 0; step < Steps - firstStep; step++)
        {
            var row = step * config.GlobalBatch + first;
            for (var micro = 0; micro < batches.MicroBatchesPerStep; micro++)
            {
                using var batch = batches.Next();
                for (var i = 0; i < batch.Rows; i++)
                {
                    hashes[row++] = Hash(batch, i);
                }
            }
        }

        return hashes;
    }

    private static long Hash(TokenBatch batch, int row)
    {
        // FNV-1a over the ids; shifted by one so that no row has 0 and sums stay exact.
        var hash = 14695981039346656037UL;
        foreach (var ids in (int[][])[batch.Inputs, batch.Targets, batch.Positions])
        {
            foreach (var id in ids.AsSpan(row * batch.Context, batch.Context))
            {
                hash = (hash ^ (uint)id) * 1099511628211UL;
            }
        }

        return (long)(hash >> 2) + 1;
    }

    private static void Sum(ParallelContext context, long[] values) => context.World.Sum(values.AsSpan());

    private static void Write(string folder)
    {
        foreach (var (name, count) in new[] { ("a0", 200), ("a1", 150), ("a2", 1), ("b0", 120) })
        {
            using var writer = new TokenShardWriter(Path.Combine(folder, name + ".parquet"),
                new ShardWriterOptions { TokenizerHash = "of a test", VocabularySize = Vocabulary, RowGroupTokens = 300 });
            for (var document = 0; document < count; document++)
            {
                // 0 to 96 tokens.
                writer.Append([.. Enumerable.Range(0, document * 31 % 97).Select(i => (document * 7919 + i * i * 13 + name[1]) % Vocabulary)]);
            }

            writer.Complete();
        }
    }
}
