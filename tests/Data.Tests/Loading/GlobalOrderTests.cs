using System.Runtime.InteropServices;
using System.Security.Cryptography;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tests.Shards;

namespace KvShiftScale.Data.Tests.Loading;

/// <summary>The first 1,000 global batches of a run on two sources are the same however they are read.</summary>
public sealed class GlobalOrderTests : IClassFixture<GlobalOrderTests.Corpus>
{
    private const int Steps = 1000;
    private const int Vocabulary = 100_000;

    // Ids of the second source are at least this, so that a row tells where it comes from.
    private const int SecondSource = 50_000;

    private readonly Corpus _corpus;

    public GlobalOrderTests(Corpus corpus) => _corpus = corpus;

    [Theory]
    [InlineData(Packing.Concatenate, RowOrder.Shuffled)]
    [InlineData(Packing.Concatenate, RowOrder.Sequential)]
    [InlineData(Packing.Pad, RowOrder.Shuffled)]
    [InlineData(Packing.Pad, RowOrder.Sequential)]
    public void RanksThreadsPrefetchAndMicroBatchesDoNotChangeIt(Packing packing, RowOrder order)
    {
        var expected = _corpus.Expected(packing, order);
        for (var ranks = 2; ranks <= 4; ranks++)
        {
            Assert.Equal(expected, Hashes(packing, order, ranks));
        }

        Assert.Equal(expected, Hashes(packing, order, ranks: 1, config => config with { ReaderThreads = 4 }));
        Assert.Equal(expected, Hashes(packing, order, ranks: 4, config => config with { ReaderThreads = 4, PrefetchBatches = 1 }));
        Assert.Equal(expected, Hashes(packing, order, ranks: 3, config => config with { MicroBatch = 1, PrefetchBatches = 64 }));
    }

    [Theory]
    [InlineData(Packing.Concatenate, RowOrder.Shuffled)]
    [InlineData(Packing.Concatenate, RowOrder.Sequential)]
    [InlineData(Packing.Pad, RowOrder.Shuffled)]
    [InlineData(Packing.Pad, RowOrder.Sequential)]
    public void ResumingDoesNotChangeIt(Packing packing, RowOrder order)
    {
        var expected = _corpus.Expected(packing, order);
        foreach (var step in (int[])[1, 37, 500])
        {
            Assert.Equal(expected[step..], Hashes(packing, order, ranks: 2, firstStep: step));
        }

        // Three launches that stop after 1, 37 and 500 steps, each on another number of ranks, and a fourth one.
        var resumed = Hashes(packing, order, ranks: 1, firstStep: 0, lastStep: 1)
            .Concat(Hashes(packing, order, ranks: 3, firstStep: 1, lastStep: 37))
            .Concat(Hashes(packing, order, ranks: 2, config => config with { ReaderThreads = 4 }, firstStep: 37, lastStep: 500))
            .Concat(Hashes(packing, order, ranks: 4, firstStep: 500));
        Assert.Equal(expected, resumed);
    }

    [Theory]
    [InlineData(Packing.Concatenate, RowOrder.Shuffled)]
    [InlineData(Packing.Concatenate, RowOrder.Sequential)]
    [InlineData(Packing.Pad, RowOrder.Shuffled)]
    [InlineData(Packing.Pad, RowOrder.Sequential)]
    public void SourcesAreMixedExactlyAtEveryPrefix(Packing packing, RowOrder order)
    {
        var config = _corpus.ConfigOf(packing, order) with { GlobalBatch = 1, MicroBatch = 1 };
        using var batches = new TrainingBatches(_corpus.CatalogOf(packing), config, seed: 7, Vocabulary, DataShare.Whole);
        var second = 0;
        for (var row = 1; row <= 12 * Steps; row++)
        {
            using var batch = batches.Next();
            second += batch.Inputs[0] >= SecondSource ? 1 : 0;
            Assert.True(Math.Abs(second - 0.3 * row) < 1, $"{second} of the first {row} rows are of the source with weight 0.3");
        }
    }

    [Theory]
    [InlineData(Packing.Concatenate, RowOrder.Shuffled)]
    [InlineData(Packing.Concatenate, RowOrder.Sequential)]
    [InlineData(Packing.Pad, RowOrder.Shuffled)]
    [InlineData(Packing.Pad, RowOrder.Sequential)]
    public void ItIsTheDocumentedOne(Packing packing, RowOrder order)
    {
        var config = _corpus.ConfigOf(packing, order) with { GlobalBatch = 1, MicroBatch = 1 };
        var catalog = _corpus.CatalogOf(packing);
        int[][][][] documents = [.. catalog.Sources.Select(source => source.Shards.SelectMany(RowGroupsOf).ToArray())];
        using var batches = new TrainingBatches(catalog, config, seed: 7, Vocabulary, DataShare.Whole);

        foreach (var (_, expected) in new DocumentedOrder(documents, [7, 3], config, seed: 7).Samples().Take(6000))
        {
            using var batch = batches.Next();
            Assert.Equal(expected.Length - 1, batch.TokenCount);
            Assert.Equal(expected[..^1], batch.Inputs.Take(expected.Length - 1));
        }

        static IEnumerable<int[][]> RowGroupsOf(ShardSummary summary)
        {
            using var shard = TokenShard.Open(summary.Path);
            for (var index = 0; index < shard.RowGroupCount; index++)
            {
                var group = shard.ReadRowGroup(index);
                yield return [.. Enumerable.Range(0, group.DocumentCount).Select(document => group.Document(document).ToArray())];
            }
        }
    }

    [Fact]
    public void SeedEpochWeightPackingAndRowOrderDoChangeIt()
    {
        var expected = _corpus.Expected(Packing.Concatenate, RowOrder.Shuffled);

        Assert.NotEqual(expected[0], _corpus.Expected(Packing.Pad, RowOrder.Shuffled)[0]);
        Assert.NotEqual(expected[0], _corpus.Expected(Packing.Concatenate, RowOrder.Sequential)[0]);
        Assert.NotEqual(expected[0], Hashes(Packing.Concatenate, RowOrder.Shuffled, ranks: 1, lastStep: 1, seed: 8)[0]);

        // No batch comes twice, although the sources are read through several times.
        Assert.Equal(Steps, expected.Distinct().Count());
        Assert.True(12L * Steps * 16 > 4 * _corpus.CatalogOf(Packing.Concatenate).TokenCount);
    }

    private string[] Hashes(
        Packing packing, RowOrder order, int ranks, Func<DataConfig, DataConfig>? change = null, int firstStep = 0, int lastStep = Steps,
        long seed = 7)
        => _corpus.Hashes(packing, order, ranks, change, firstStep, lastStep, seed);

    /// <summary>Two sources of shards with row groups of about 300 tokens, and the hashes that one reader finds.</summary>
    public sealed class Corpus : IDisposable
    {
        private readonly ShardFolder _first = new();
        private readonly ShardFolder _second = new();
        private readonly Dictionary<Packing, ShardCatalog> _catalogs = [];
        private readonly Dictionary<(Packing, RowOrder), string[]> _expected = [];

        public Corpus()
        {
            var random = new Random(11);
            for (var shard = 0; shard < 5; shard++)
            {
                _first.Write($"{shard}.parquet", Documents(random, 100, 0), rowGroupTokens: 300);
            }

            _second.Write("only.parquet", Documents(random, 140, SecondSource), rowGroupTokens: 250);
            foreach (var packing in (Packing[])[Packing.Concatenate, Packing.Pad])
            {
                _catalogs[packing] = ShardCatalog.Open(
                    [new DataSource(_first.Glob, 0.7), new DataSource(_second.Glob, 0.3)],
                    new CountingOptions { PaddedContext = packing == Packing.Pad ? 16 : null });
                foreach (var order in (RowOrder[])[RowOrder.Shuffled, RowOrder.Sequential])
                {
                    _expected[(packing, order)] = Hashes(packing, order, 1, null, 0, Steps, seed: 7);
                }
            }
        }

        public string[] Expected(Packing packing, RowOrder order) => _expected[(packing, order)];

        public ShardCatalog CatalogOf(Packing packing) => _catalogs[packing];

        public DataConfig ConfigOf(Packing packing, RowOrder order)
            => new() { Packing = packing, RowOrder = order, Context = 16, GlobalBatch = 12, MicroBatch = 5, ShuffleRowGroups = 3, ReaderThreads = 1 };

        /// <summary>A hash over inputs, targets and positions of each global batch, put together from as many readers as there are ranks.</summary>
        public string[] Hashes(
            Packing packing, RowOrder order, int ranks, Func<DataConfig, DataConfig>? change, int firstStep, int lastStep, long seed)
        {
            var config = ConfigOf(packing, order);
            config = change?.Invoke(config) ?? config;
            TrainingBatches[] readers = [.. Enumerable.Range(0, ranks).Select(rank => new TrainingBatches(
                CatalogOf(packing), config, seed, Vocabulary, new DataShare(rank, ranks), firstStep))];
            var hashes = new string[lastStep - firstStep];
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            for (var step = 0; step < hashes.Length; step++)
            {
                foreach (var reader in readers)
                {
                    for (var micro = 0; micro < reader.MicroBatchesPerStep; micro++)
                    {
                        using var batch = reader.Next();
                        for (var row = 0; row < batch.Rows; row++)
                        {
                            foreach (var ids in (int[][])[batch.Inputs, batch.Targets, batch.Positions])
                            {
                                hash.AppendData(MemoryMarshal.AsBytes(ids.AsSpan(row * batch.Context, batch.Context)));
                            }
                        }
                    }
                }

                hashes[step] = Convert.ToHexString(hash.GetHashAndReset());
            }

            Array.ForEach(readers, reader => reader.Dispose());
            return hashes;
        }

        public void Dispose()
        {
            _first.Dispose();
            _second.Dispose();
        }

        // 0 to 200 tokens, most of them few; some documents are longer than the 17 tokens of a row, some than a row group.
        private static int[][] Documents(Random random, int count, int firstId)
            => [.. Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, random.Next(8) == 0 ? random.Next(200) : random.Next(40))
                .Select(_ => firstId + random.Next(SecondSource)).ToArray())];
    }
}
