using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Files;
using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tests.Shards;

namespace KvShiftScale.Data.Tests.Loading;

public sealed class TrainingBatchesTests : IDisposable
{
    private const int Vocabulary = 100_000;

    private readonly ShardFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void RowsShareOneTokenWithTheirNeighbours()
    {
        _folder.Write("a.parquet", ShardFolder.Consecutive(0, 22));
        var config = new DataConfig { Context = 5, GlobalBatch = 2, MicroBatch = 2, RowOrder = RowOrder.Sequential };
        using var batches = Open(config);

        using var first = batches.Next();
        using var second = batches.Next();
        using var third = batches.Next();

        // One document of 22 tokens has 4 rows of 5 + 1; token 21 is left over, and the second epoch begins at 0 again.
        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], first.Inputs);
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], first.Targets);
        Assert.Equal([0, 1, 2, 3, 4, 0, 1, 2, 3, 4], first.Positions);
        Assert.Equal([11, 12, 13, 14, 15, 16, 17, 18, 19, 20], second.Targets);
        Assert.Equal(first.Inputs, third.Inputs);
        Assert.Equal(10, first.ValidTargets);
        Assert.Equal((2, 5), (first.Rows, first.Context));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void DocumentBoundariesFollowTheMask(bool documentMask)
    {
        var lengths = new[] { 3, 1, 20, 0, 7, 2, 2, 15, 1, 30 };
        _folder.Write("a.parquet", ShardFolder.Numbered(lengths), rowGroupTokens: 25);
        var config = new DataConfig { Context = 8, GlobalBatch = 4, MicroBatch = 4, DocumentMask = documentMask };
        using var batches = Open(config);

        for (var step = 0; step < 10; step++)
        {
            using var batch = batches.Next();
            var valid = 0;
            for (var i = 0; i < batch.Inputs.Length; i++)
            {
                // Id 100 d + k is token k of document d.
                var (document, token) = Math.DivRem(batch.Inputs[i], 100);
                var isLast = token == lengths[document] - 1;
                var startsWindow = i % 8 == 0 || (documentMask && token == 0);
                Assert.Equal(startsWindow ? 0 : batch.Positions[i - 1] + 1, batch.Positions[i]);
                if (documentMask)
                {
                    Assert.Equal(isLast ? TokenBatch.IgnoredTarget : batch.Inputs[i] + 1, batch.Targets[i]);
                }
                else
                {
                    Assert.True(isLast ? batch.Targets[i] % 100 == 0 : batch.Targets[i] == batch.Inputs[i] + 1);
                }

                valid += batch.Targets[i] == TokenBatch.IgnoredTarget ? 0 : 1;
            }

            Assert.Equal(valid, batch.ValidTargets);
        }
    }

    [Fact]
    public void EpochTrainsOnEachTokenOnceAndTheNextOneIsInAnotherOrder()
    {
        // 40 documents of 1 to 10 tokens, 220 in all, unique: (220 - 1) / 6 = 36 rows, the last 3 tokens are dropped.
        _folder.Write("a.parquet", ShardFolder.Consecutive(0, [.. Enumerable.Range(0, 40).Select(i => 1 + i % 10)]), rowGroupTokens: 20);
        var config = new DataConfig { Context = 6, GlobalBatch = 36, MicroBatch = 36, DocumentMask = false };
        using var batches = Open(config);

        using var first = batches.Next();
        using var second = batches.Next();

        foreach (var epoch in new[] { first, second })
        {
            Assert.Equal(216, epoch.Targets.Distinct().Count());
            Assert.All(epoch.Targets, id => Assert.InRange(id, 0, 219));
        }

        Assert.NotEqual(first.Targets, second.Targets);
        Assert.NotEqual(first.Targets.Order(), first.Targets);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(1000)]
    public void RowGroupsAndDocumentsAreReshuffledEveryEpoch(int rowGroupTokens)
    {
        // 12 documents of 10 tokens, each a row group of its own or all in one. A row of 119 + 1 tokens is a whole epoch.
        _folder.Write("a.parquet", ShardFolder.Numbered([.. Enumerable.Repeat(10, 12)]), rowGroupTokens);
        using var batches = Open(new DataConfig { Context = 119, GlobalBatch = 1, MicroBatch = 1 });

        var orders = new List<string>();
        for (var epoch = 0; epoch < 4; epoch++)
        {
            using var batch = batches.Next();
            var documents = batch.Inputs.Chunk(10).Select(tokens => tokens[0] / 100).ToArray();
            Assert.Equal(Enumerable.Range(0, 12), documents.Order());
            orders.Add(string.Join(' ', documents));
        }

        // By chance two of them agree once in 12! / 6, eighty million.
        Assert.Equal(4, orders.Distinct().Count());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(8)]
    public void DocumentsOfAWindowOfRowGroupsAreShuffledTogether(int window)
    {
        // 8 row groups of 10 documents of 10 tokens; document i belongs to row group i / 10. One row is the whole epoch.
        _folder.Write("a.parquet", ShardFolder.Numbered([.. Enumerable.Repeat(10, 80)]), rowGroupTokens: 100);
        using var batches = Open(new DataConfig { Context = 799, GlobalBatch = 1, MicroBatch = 1, ShuffleRowGroups = window });

        using var batch = batches.Next();
        var groups = batch.Inputs.Chunk(10).Select(tokens => tokens[0] / 1000).ToArray();

        // Each stretch of `window` row groups holds the documents of just so many, and changes between them more often than it must.
        foreach (var stretch in groups.Chunk(10 * window))
        {
            Assert.Equal(window, stretch.Distinct().Count());
            var changes = stretch.Skip(1).Zip(stretch, (next, before) => next != before).Count(changed => changed);
            Assert.True(window == 1 ? changes == 0 : changes > 2 * window, $"{changes} changes among {window} row groups");
        }
    }

    [Theory]
    [InlineData(RowOrder.Shuffled)]
    [InlineData(RowOrder.Sequential)]
    public void RowsCanBeReadInAnyOrder(RowOrder order)
    {
        WriteCorpus();
        using var readers = new RowGroupReaders(2, Vocabulary, new ReadAccess());
        var source = _folder.Catalog().Sources[0];
        var config = new DataConfig { Context = 8, ShuffleRowGroups = 2, RowOrder = order };
        var forward = new RowStream(source, config, key: 1, readers);
        var backward = new RowStream(source, config, key: 1, readers);
        int[][] ReadRows(RowStream stream, IEnumerable<int> rows) => [.. rows.Select(row =>
        {
            var (tokens, starts) = (new int[9], new int[8]);
            var content = stream.Read(row, tokens, starts);
            return (int[])[.. tokens, .. starts.AsSpan(0, content.DocumentStarts)];
        })];

        // About two epochs.
        var expected = ReadRows(forward, Enumerable.Range(0, 170));

        Assert.Equal(expected.Reverse(), ReadRows(backward, Enumerable.Range(0, 170).Reverse()));
    }

    [Theory]
    [InlineData(Packing.Concatenate)]
    [InlineData(Packing.Pad)]
    public void RowsOfALongDocumentAreSpreadOverItsWindowAndOtherwiseFollowEachOther(Packing packing)
    {
        // Nine row groups of a document of 2,000 tokens and 60 of 50 each: 250 rows of 8 of a long document, of 625 or more.
        int[] lengths = [.. Enumerable.Range(0, 9).SelectMany(_ => Enumerable.Repeat(50, 60).Append(2000))];
        _folder.Write("a.parquet", ShardFolder.Consecutive(0, lengths), options: ShardFolder.Options(Vocabulary, rowGroupTokens: 5000));
        var config = new DataConfig { Context = 8, GlobalBatch = 10, MicroBatch = 10, Packing = packing };
        var catalog = ShardCatalog.Open([new DataSource(_folder.Glob)], new CountingOptions { PaddedContext = 8 });
        Assert.Equal(9, catalog.Sources[0].Shards[0].RowGroups.Count);

        // In sequence there are many batches of nothing else.
        var (onEnd, _) = LongRows(RowOrder.Sequential);
        Assert.InRange(onEnd, 240, 9 * 250);

        // Mixed, 200 rows of 500 are of long documents on average, with a standard deviation of about 11; ten on end come by chance.
        var (byChance, counts) = LongRows(RowOrder.Shuffled);
        Assert.InRange(byChance, 1, 27);
        Assert.All(counts, count => Assert.InRange(count, 130, 270));

        // The most rows of long documents on end in an epoch, and how many there are in each 50 batches of 10.
        (int OnEnd, int[] Counts) LongRows(RowOrder order)
        {
            using var batches = new TrainingBatches(catalog, config with { RowOrder = order }, seed: 1, Vocabulary, DataShare.Whole);
            var (most, onEnd, counts) = (0, 0, new int[11]);
            for (var step = 0; step < 550; step++)
            {
                using var batch = batches.Next();
                for (var row = 0; row < 10; row++)
                {
                    onEnd = batch.Inputs[row * 8] % 5000 >= 3000 ? onEnd + 1 : 0;
                    most = Math.Max(most, onEnd);
                    counts[step / 50] += onEnd > 0 ? 1 : 0;
                }
            }

            return (most, counts);
        }
    }

    [Fact]
    public void SeedNamesTheOrder()
    {
        WriteCorpus();
        var config = new DataConfig { Context = 8, GlobalBatch = 8, MicroBatch = 8 };

        Assert.Equal(Rows(config, DataShare.Whole, steps: 5, seed: 3), Rows(config, DataShare.Whole, steps: 5, seed: 3));
        Assert.NotEqual(Rows(config, DataShare.Whole, steps: 5, seed: 3), Rows(config, DataShare.Whole, steps: 5, seed: 4));
    }

    [Theory]
    [InlineData(2, 3)]
    [InlineData(3, 2)]
    [InlineData(4, 1)]
    [InlineData(5, 8)]
    public void SharesTogetherAreTheWholeStep(int shares, int microBatch)
    {
        WriteCorpus();
        var config = new DataConfig { Context = 8, GlobalBatch = 7, MicroBatch = 7 };
        var whole = Rows(config, DataShare.Whole, steps: 12);

        var parts = Enumerable.Range(0, shares)
            .Select(index => Rows(config with { MicroBatch = microBatch }, new DataShare(index, shares), steps: 12)).ToArray();

        var joined = Enumerable.Range(0, 12).SelectMany(step => parts.SelectMany(part => part[step])).ToArray();
        Assert.Equal(whole.SelectMany(step => step), joined);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(6)]
    [InlineData(23)]
    public void RestartEqualsContinuing(int firstStep)
    {
        WriteCorpus();
        var config = new DataConfig { Context = 8, GlobalBatch = 6, MicroBatch = 4 };
        var share = new DataShare(1, 2);

        // The corpus has about 13 steps, so that the last restart lies in the second epoch.
        var continued = Rows(config, share, steps: 30);
        var restarted = Rows(config, share, steps: 30 - firstStep, firstStep: firstStep);

        Assert.Equal(continued[firstStep..], restarted);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(16)]
    public void ReadAheadDoesNotChangeTheRows(int prefetchBatches)
    {
        WriteCorpus();
        var config = new DataConfig { Context = 8, GlobalBatch = 6, MicroBatch = 2, PrefetchBatches = 1 };

        Assert.Equal(
            Rows(config, DataShare.Whole, steps: 20),
            Rows(config with { PrefetchBatches = prefetchBatches }, DataShare.Whole, steps: 20));
    }

    [Fact]
    public void SourcesAreMixedByWeight()
    {
        using var other = new ShardFolder();
        WriteCorpus();
        other.Write("b.parquet", ShardFolder.Consecutive(50_000, 90, 80, 70));
        var catalog = ShardCatalog.Open([new DataSource(_folder.Glob, 0.7), new DataSource(other.Glob, 0.3)]);
        var config = new DataConfig { Context = 8, GlobalBatch = 1, MicroBatch = 1 };
        using var batches = new TrainingBatches(catalog, config, seed: 1, Vocabulary, DataShare.Whole);

        var fromOther = 0;
        for (var row = 1; row <= 200; row++)
        {
            using var batch = batches.Next();
            var isOther = batch.Inputs[0] >= 50_000;
            Assert.All(batch.Inputs, id => Assert.Equal(isOther, id >= 50_000));
            fromOther += isOther ? 1 : 0;
            Assert.True(Math.Abs(fromOther - 0.3 * row) < 1);
        }
    }

    [Fact]
    public void FailureOfTheReadingThreadReachesNext()
    {
        var path = _folder.Write("a.parquet", [[1, 2, 3, 77, 4]]);
        var config = new DataConfig { Context = 2, GlobalBatch = 1, MicroBatch = 1 };
        using var batches = new TrainingBatches(_folder.Catalog(), config, seed: 1, vocabularySize: 50, DataShare.Whole);

        for (var attempt = 0; attempt < 2; attempt++)
        {
            var error = Assert.Throws<InvalidDataException>(batches.Next);
            Assert.StartsWith($"{path}: row group 0: document 0: token 3 is 77", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void ShardThatChangesDuringTheRunIsRefused()
    {
        _folder.Write("a.parquet", ShardFolder.Consecutive(0, 50));
        var catalog = _folder.Catalog();
        var path = _folder.Write("a.parquet", ShardFolder.Consecutive(0, 51));
        using var batches = new TrainingBatches(
            catalog, new DataConfig { Context = 4, GlobalBatch = 1, MicroBatch = 1 }, seed: 1, Vocabulary, DataShare.Whole);

        var error = Assert.Throws<ShardFileException>(batches.Next);

        Assert.StartsWith($"{path}: changed while in use: ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void SourceShorterThanARowIsNamed()
    {
        _folder.Write("a.parquet", [[1, 2, 3]]);

        var error = Assert.Throws<InvalidDataException>(() => Open(new DataConfig { Context = 3, GlobalBatch = 1, MicroBatch = 1 }));

        Assert.StartsWith(
            $"'{_folder.Glob}' has 3 tokens, but one row of data.context 3 takes 4.", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void BadSizesAreNamedByKey()
    {
        _folder.Write("a.parquet", [[1, 2, 3]]);
        var config = new DataConfig { Context = 1, GlobalBatch = 2, MicroBatch = 1 };

        AssertRefused(config with { MicroBatch = 0 }, DataShare.Whole, "data.micro_batch is 0");
        AssertRefused(config with { ShuffleRowGroups = 0 }, DataShare.Whole, "data.shuffle_row_groups is 0");
        AssertRefused(config with { PrefetchBatches = 0 }, DataShare.Whole, "data.prefetch_batches is 0");
        AssertRefused(config, new DataShare(0, 3), "data.global_batch is 2, less than the 3 shares");
    }

    [Fact]
    public void DisposingEndsTheThreadWithFullQueue()
    {
        WriteCorpus();
        var batches = Open(new DataConfig { Context = 8, GlobalBatch = 2, MicroBatch = 1, PrefetchBatches = 1 });
        batches.Next().Dispose();

        batches.Dispose();
        batches.Dispose();

        Assert.Throws<ObjectDisposedException>(batches.Next);
    }

    [Fact]
    public void NextAllocatesNothing()
    {
        _folder.Write("a.parquet", ShardFolder.Consecutive(0, [.. Enumerable.Repeat(60, 1000)]));
        using var batches = Open(new DataConfig { Context = 16, GlobalBatch = 4, MicroBatch = 2, PrefetchBatches = 2 });
        for (var i = 0; i < 100; i++)
        {
            batches.Next().Dispose();
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 500; i++)
        {
            batches.Next().Dispose();
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void ReadingWithinARowGroupAllocatesNothing()
    {
        _folder.Write("a.parquet", ShardFolder.Consecutive(0, [.. Enumerable.Repeat(60, 1000)]));
        using var readers = new RowGroupReaders(2, Vocabulary, new ReadAccess());
        var stream = new RowStream(_folder.Catalog().Sources[0], new DataConfig { Context = 16, ShuffleRowGroups = 1 }, key: 1, readers);
        var tokens = new int[17];
        var starts = new int[16];
        stream.Read(0, tokens, starts);

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var row = 1; row < 1000; row++)
        {
            stream.Read(row, tokens, starts);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static int[][] RowsOf(TokenBatch batch)
        => [.. Enumerable.Range(0, batch.Rows).Select(row => (int[])[
            .. batch.Inputs.AsSpan(row * batch.Context, batch.Context),
            .. batch.Targets.AsSpan(row * batch.Context, batch.Context),
            .. batch.Positions.AsSpan(row * batch.Context, batch.Context)])];

    private void WriteCorpus()
    {
        // Two files, several row groups each, documents shorter and longer than a row, 3 of them empty: 660 tokens.
        int[] lengths = [.. Enumerable.Range(0, 33).Select(i => i * 7 % 41)];
        _folder.Write("a.parquet", ShardFolder.Numbered(lengths), rowGroupTokens: 90);
        _folder.Write("b.parquet", ShardFolder.Consecutive(10_000, 0, 5, 0, 1), rowGroupTokens: 3);
    }

    private TrainingBatches Open(DataConfig config) => new(_folder.Catalog(), config, seed: 1, Vocabulary, DataShare.Whole);

    private int[][][] Rows(DataConfig config, DataShare share, int steps, long seed = 1, int firstStep = 0)
    {
        using var batches = new TrainingBatches(_folder.Catalog(), config, seed, Vocabulary, share, firstStep);
        var rows = new int[steps][][];
        for (var step = 0; step < steps; step++)
        {
            var ofStep = new List<int[]>();
            for (var micro = 0; micro < batches.MicroBatchesPerStep; micro++)
            {
                using var batch = batches.Next();
                ofStep.AddRange(RowsOf(batch));
            }

            rows[step] = [.. ofStep];
        }

        return rows;
    }

    private void AssertRefused(DataConfig config, DataShare share, string expected)
    {
        var error = Assert.Throws<ArgumentException>(() => new TrainingBatches(_folder.Catalog(), config, seed: 1, Vocabulary, share));
        Assert.StartsWith(expected, error.Message, StringComparison.Ordinal);
    }
}
