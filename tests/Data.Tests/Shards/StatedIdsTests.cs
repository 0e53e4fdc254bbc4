using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Shards;
using Parquet.Schema;

namespace KvShiftScale.Data.Tests.Shards;

/// <summary>What footers tell of ids, before any are read.</summary>
public sealed class StatedIdsTests : IDisposable
{
    private readonly ShardFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void TheFooterOfOurShardsStatesSmallestAndLargestIdOfEachRowGroup()
    {
        var path = _folder.Write("a.parquet", [[5, 3], [9, 400], [7], [70_000, 8]], rowGroupTokens: 4);

        using var shard = TokenShard.Open(path);

        Assert.Equal([new IdRange(3, 400), new IdRange(7, 70_000)], Enumerable.Range(0, shard.RowGroupCount).Select(shard.StatedIds));
    }

    [Fact]
    public void IdsOutsideAreNamedByFileAndRowGroup()
    {
        _folder.Write("a.parquet", [[1, 2, 3]]);
        var path = _folder.Write("b.parquet", [[5, 3], [9, 400]], rowGroupTokens: 2);
        var catalog = _folder.Catalog();

        Assert.Null(catalog.IdsOutside(401));
        Assert.Equal($"{path}: row group 1 has ids from 9 to 400, as the footer states; wanted ids in [0, 400)", catalog.IdsOutside(400));
        Assert.Contains("; and 1 more row groups", Six().IdsOutside(2), StringComparison.Ordinal);

        ShardCatalog Six()
        {
            _folder.Write("c.parquet", [[5, 3], [9, 4], [7, 7]], rowGroupTokens: 2);
            return _folder.Catalog();
        }
    }

    [Fact]
    public void EveryTypeOfIdIsUnderstood()
    {
        AssertStated<int>([-7, 12], -7, 12);
        AssertStated<long>([1L << 40, 3], 3, 1L << 40);
        AssertStated<short>([-2, 300], -2, 300);
        AssertStated<ushort>([1, 65_000], 1, 65_000);
        AssertStated<byte>([0, 200], 0, 200);
    }

    [Fact]
    public void AShardThatIsVerifiedKeepsToTheVocabularyThatItStates()
    {
        var path = _folder.Write("a.parquet", [[1, 2], [3, 299]], options: ShardFolder.Options(vocabularySize: 300));
        var bytes = File.ReadAllBytes(path);
        // The footer's metadata alone has it as text.
        bytes[bytes.AsSpan().LastIndexOf("300"u8)] = (byte)'2';
        File.WriteAllBytes(path, bytes);

        var error = Assert.Throws<InvalidDataException>(() => ShardVerification.Read(path));

        Assert.StartsWith($"{path}: row group 0: document 1: token 1 is 299; ids must be in [0, 200)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void CountingLooksAtTheIdsOfTheRowGroupsThatItReads()
    {
        _folder.Write("a.parquet", [[1, 2], [3, 299]]);
        var catalog = ShardCatalog.OpenUncounted([new DataSource(_folder.Glob)]);

        var error = Assert.Throws<InvalidDataException>(() => catalog.Count(new CountingOptions { PaddedContext = 4, VocabularySize = 200 }));

        Assert.Contains("a.parquet: row group 0: document 1: token 1 is 299", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FilesWithoutRowsAreSaid()
    {
        _folder.Write("a.parquet", [[1, 2, 3]]);
        _folder.Write("b.parquet", []);

        Assert.Equal($"1 of 2 files have no rows, {_folder.PathOf("b.parquet")} the first", Assert.Single(_folder.Catalog().Notices));
    }

    private void AssertStated<T>(T[] ids, long smallest, long largest) where T : struct
    {
        var column = new ListField(TokenShard.ColumnName, new DataField<T>("element", nullable: false));
        var path = _folder.WriteForeign($"{typeof(T).Name}.parquet", column, ids, [.. ids.Select(_ => 2)], [.. ids.Select((_, slot) => slot == 0 ? 0 : 1)]);
        using var shard = TokenShard.Open(path);
        Assert.Equal(new IdRange(smallest, largest), shard.StatedIds(0));
    }
}
