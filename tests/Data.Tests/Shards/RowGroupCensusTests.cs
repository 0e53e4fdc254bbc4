using System.Text;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Files;
using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;

namespace KvShiftScale.Data.Tests.Shards;

/// <summary>Counts that no footer states: by one reader or several, from the pages or from a file of an earlier launch.</summary>
public sealed class RowGroupCensusTests : IDisposable
{
    private static readonly int[][] Lengths = [[3, 0, 5, 1], [0, 0], [40, 2], [9, 9, 9]];

    private readonly ShardFolder _folder = new();
    private readonly List<string> _paths = [];

    public RowGroupCensusTests()
    {
        for (var shard = 0; shard < Lengths.Length; shard++)
        {
            var path = _folder.Write($"{shard}.parquet", ShardFolder.Consecutive(100 * shard, Lengths[shard]), rowGroupTokens: 8);
            HideWriter(path);
            _paths.Add(path);
        }
    }

    private string CountsPath => Path.Combine(_folder.Folder, "run", "counts.json");

    private long Tokens => Lengths.Sum(lengths => lengths.Sum());

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void SharesDivideTheWorkAndAgree(int shares)
    {
        var expected = ShardCatalog.Open([new DataSource(_folder.Glob)], new CountingOptions { PaddedContext = 4 });
        var barrier = new Barrier(shares);
        var sums = new List<long[]>();
        var catalogs = new ShardCatalog[shares];
        var read = new int[shares];
        var threads = Enumerable.Range(0, shares).Select(index => new Thread(() =>
        {
            var files = new Loading.FaultyFiles { FailsRead = _ => { read[index]++; return false; } };
            catalogs[index] = ShardCatalog.OpenUncounted([new DataSource(_folder.Glob)]).Count(
                new CountingOptions { PaddedContext = 4, Share = new DataShare(index, shares), SumOverShares = Sum },
                new ReadAccess { Files = files });
        })).ToArray();
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());

        Assert.Equal(Tokens, expected.TokenCount);
        Assert.All(catalogs, catalog =>
        {
            Assert.Equal(expected.Sources[0].Fingerprint, catalog.Sources[0].Fingerprint);
            Assert.Equal(expected.Sources[0].Shards.SelectMany(shard => shard.PaddedRows!), catalog.Sources[0].Shards.SelectMany(shard => shard.PaddedRows!));
        });
        Assert.All(read, count => Assert.True(count > 0, "a share read nothing"));

        // All shares meet here; each leaves with the sum.
        void Sum(long[] values)
        {
            lock (sums)
            {
                sums.Add(values);
            }

            barrier.SignalAndWait();
            long[] sum = [.. Enumerable.Range(0, values.Length).Select(i => sums.Sum(share => share[i]))];
            barrier.SignalAndWait();
            sum.CopyTo(values, 0);
            lock (sums)
            {
                sums.Clear();
            }

            barrier.SignalAndWait();
        }
    }

    [Theory]
    [InlineData(null)]
    [InlineData(4)]
    public void CountsAreKeptFromOneLaunchToTheNext(int? paddedContext)
    {
        var first = Open(out var readsBefore);
        var again = Open(out var readsAfter);

        Assert.Equal(first.Sources[0].Fingerprint, again.Sources[0].Fingerprint);
        Assert.True(readsBefore > 0);
        Assert.Equal(0, readsAfter);

        // Another file under a known name is counted, the others are not.
        File.Delete(_paths[1]);
        HideWriter(_folder.Write("1.parquet", ShardFolder.Consecutive(100, 4, 4)));
        var changed = Open(out var readsOfOne);
        Assert.Equal(Tokens + 8, changed.TokenCount);
        Assert.InRange(readsOfOne, 1, readsBefore - 1);

        // A file that cannot be understood is as good as none.
        File.WriteAllText(CountsPath, """{"padded_context":4,"files":[{"name":"0.parquet"},""");
        Assert.Equal(Tokens + 8, Open(out _).TokenCount);

        ShardCatalog Open(out int reads)
        {
            var files = new Loading.FaultyFiles();
            var count = 0;
            files.FailsRead = _ => { count++; return false; };
            var catalog = ShardCatalog.OpenUncounted([new DataSource(_folder.Glob)])
                .Count(new CountingOptions { PaddedContext = paddedContext, File = CountsPath }, new ReadAccess { Files = files });
            reads = count;
            return catalog;
        }
    }

    [Fact]
    public void CountsOfAnotherContextAreNotTaken()
    {
        int[] Rows(int context) => [.. ShardCatalog.Open([new DataSource(_folder.Glob)],
            new CountingOptions { PaddedContext = context, File = CountsPath }).Sources[0].Shards.Select(shard => shard.PaddedRows!.Sum())];

        // ceil((L - 1) / context) of each document.
        Assert.Equal([1 + 1, 0, 10 + 1, 2 + 2 + 2], Rows(4));
        Assert.Equal([1 + 1, 0, 1 + 1, 1 + 1 + 1], Rows(100));
        Assert.Equal([2 + 4, 0, 39 + 1, 8 + 8 + 8], Rows(1));
    }

    [Fact]
    public void UncountedCatalogIsEnoughForEvaluationButNotForTraining()
    {
        var catalog = ShardCatalog.OpenUncounted([new DataSource(_folder.Glob)]);

        Assert.Contains(catalog.Sources[0].Shards, shard => shard.RowGroups.Any(group => group.Tokens == RowGroupCounts.Unknown));
        Assert.Equal(Lengths.Sum(lengths => lengths.Length), catalog.DocumentCount);
        Assert.Equal(Lengths.Sum(lengths => lengths.Sum(length => Math.Max(length - 1, 0))),
            new EvaluationBatches(catalog, context: 4, batchRows: 2, vocabularySize: 1000, DataShare.Whole).Sum(batch => batch.ValidTargets));
        Assert.Throws<InvalidOperationException>(() => catalog.TokenCount);
        Assert.Throws<InvalidOperationException>(() => new TrainingBatches(catalog, new DataConfig { Context = 4, GlobalBatch = 1, MicroBatch = 1 }, seed: 1,
            vocabularySize: 1000, DataShare.Whole));
        Assert.Throws<InvalidOperationException>(() => new TrainingBatches(_folder.Catalog(),
            new DataConfig { Context = 4, GlobalBatch = 1, MicroBatch = 1, Packing = Packing.Pad }, seed: 1, vocabularySize: 1000, DataShare.Whole));
    }

    [Fact]
    public void OwnFilesAreNotReadToBeCounted()
    {
        using var own = new ShardFolder();
        own.Write("a.parquet", ShardFolder.Consecutive(0, 3, 0, 4));
        var files = new Loading.FaultyFiles { FailsRead = _ => throw new InvalidOperationException("read") };

        var catalog = ShardCatalog.OpenUncounted([new DataSource(own.Glob)]).Count(new CountingOptions { File = CountsPath }, new ReadAccess { Files = files });

        Assert.Equal(7, catalog.TokenCount);
        Assert.False(File.Exists(CountsPath));
    }

    // An unknown writer's counts of nulls are not trusted.
    private static void HideWriter(string path)
    {
        string writer;
        using (var shard = TokenShard.Open(path))
        {
            writer = shard.CreatedBy;
        }

        var bytes = File.ReadAllBytes(path);
        bytes.AsSpan(bytes.AsSpan().LastIndexOf(Encoding.UTF8.GetBytes(writer)), writer.Length).Fill((byte)'x');
        File.WriteAllBytes(path, bytes);
    }
}
