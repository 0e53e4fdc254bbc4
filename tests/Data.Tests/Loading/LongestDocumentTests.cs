using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tests.Shards;

namespace KvShiftScale.Data.Tests.Loading;

public sealed class LongestDocumentTests : IDisposable
{
    private readonly ShardFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ManifestsGiveItsLength()
    {
        var folder = Prepare("prepared", 40, 1000, 3, 157);

        var longest = LongestDocument.Of(Open(new DataSource(folder)), new DataConfig { Context = 16, GlobalBatch = 4 });

        Assert.Equal((1000L, true, 62L), (longest.Tokens, longest.IsExact, longest.Rows));
        Assert.Equal(15.5, longest.StepsOnEnd);
        // 1,200 tokens in one window.
        Assert.Equal(18.75, longest.StepsOfWindow);
    }

    [Fact]
    public void WithoutAManifestItIsKnownWhereARowGroupHasOneDocumentAndOtherwiseAtLeastTheMean()
    {
        _folder.Write("a.parquet", ShardFolder.Consecutive(0, 400, 500, 100), rowGroupTokens: 90);
        _folder.Write("b.parquet", ShardFolder.Consecutive(0, 90, 110), rowGroupTokens: 10_000);

        var alone = LongestDocument.Of(Open(new DataSource(_folder.PathOf("a.parquet"))), new DataConfig { Context = 10, GlobalBatch = 1 });
        var both = LongestDocument.Of(Open(new DataSource(_folder.PathOf("b.parquet"))), new DataConfig { Context = 10, GlobalBatch = 1 });

        Assert.Equal((500L, true), (alone.Tokens, alone.IsExact));
        Assert.Equal((100L, false), (both.Tokens, both.IsExact));
    }

    [Fact]
    public void AManifestOfOtherFilesOrNoManifestAtAllIsNotBelieved()
    {
        var folder = Prepare("changed", 40, 1000, 3, 157);
        File.Delete(Path.Combine(folder, "shard-00000.parquet"));
        File.Copy(_folder.Write("other.parquet", ShardFolder.Consecutive(0, 20, 30)), Path.Combine(folder, "shard-00000.parquet"));

        var other = LongestDocument.Of(Open(new DataSource(folder)), new DataConfig());
        File.WriteAllText(Path.Combine(folder, ShardManifest.FileName), "[");
        var broken = LongestDocument.Of(Open(new DataSource(folder)), new DataConfig());

        Assert.Equal((25L, false), (other.Tokens, other.IsExact));
        Assert.Equal(other, broken);
    }

    [Fact]
    public void WeightsAndWindowsCount()
    {
        // The second source has the shorter longest document and a tenth of the rows, so that it fills more steps.
        var first = Prepare("first", [.. Enumerable.Repeat(100, 80)]);
        var second = Prepare("second", [.. Enumerable.Repeat(50, 99), 50]);
        var config = new DataConfig { Context = 10, GlobalBatch = 10, ShuffleRowGroups = 2 };

        var longest = LongestDocument.Of(Open(new DataSource(first, 0.9), new DataSource(second, 0.1)), config);

        Assert.Equal((50L, 5L), (longest.Tokens, longest.Rows));
        Assert.Equal(5, longest.StepsOnEnd, 1e-9);
        // 5,000 tokens in row groups of about 400, two to a window, one row a step.
        var windows = (Open(new DataSource(second)).Sources[0].Shards.Sum(shard => shard.RowGroups.Count) + 1) / 2;
        Assert.Equal(500.0 / windows, longest.StepsOfWindow, 1e-9);
        Assert.True(windows > 3);
    }

    // As 'data prepare' does it.
    private string Prepare(string name, params int[] lengths)
    {
        var folder = _folder.PathOf(name);
        using var writer = new ShardFolderWriter(folder, "shard", shardTokens: 100_000, ShardFolder.Options(rowGroupTokens: 400));
        Array.ForEach(ShardFolder.Consecutive(0, lengths), document => writer.Append(document));
        writer.Complete();
        return folder;
    }

    private static ShardCatalog Open(params DataSource[] sources)
        => ShardCatalog.Open([.. sources.Select(source => Directory.Exists(source.Glob)
            ? source with { Glob = Path.Combine(source.Glob, "*.parquet") }
            : source)]);
}
