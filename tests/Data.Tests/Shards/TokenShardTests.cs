using System.Text;
using KvShiftScale.Data.Shards;
using Parquet.Schema;

namespace KvShiftScale.Data.Tests.Shards;

public sealed class TokenShardTests : IDisposable
{
    private static readonly int[] BeginTwoDocuments = [0, 1, 0];

    private readonly ShardFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void DocumentsComeBackInRowGroupsWithExactCounts()
    {
        int[][] documents = [[1, 2], [], [3], [4, 5, 6], []];
        var path = _folder.Write("a.parquet", documents, rowGroupTokens: 3);

        using var shard = TokenShard.Open(path);

        // The first row group is full with token 3, the second with token 6; the last one holds the empty document.
        Assert.Equal(3, shard.RowGroupCount);
        Assert.Equal(new RowGroupCounts(3, 3), shard.Counts(0));
        Assert.Equal(new RowGroupCounts(1, 3), shard.Counts(1));
        Assert.Equal(new RowGroupCounts(1, 0), shard.Counts(2));
        Assert.Equal(documents, ReadAll(shard));
        Assert.Equal(ShardFolder.Tokenizer, shard.TokenizerHash);
        Assert.Equal(100_000, shard.VocabularySize);
    }

    [Fact]
    public void BuffersAreReusedForSmallerRowGroups()
    {
        var path = _folder.Write("a.parquet", ShardFolder.Consecutive(0, 5, 2, 4), rowGroupTokens: 5);
        using var shard = TokenShard.Open(path);
        var group = new DocumentGroup();

        shard.ReadRowGroup(0, group);
        shard.ReadRowGroup(1, group);

        Assert.Equal([5, 6, 7, 8, 9, 10], group.Ids.ToArray());
        Assert.Equal([0, 2, 6], group.Offsets.ToArray());
        Assert.Equal([7, 8, 9, 10], group.Document(1).ToArray());
    }

    [Fact]
    public void EveryIntegerTypeIsRead()
    {
        AssertReads<long>([7, 8, 9], [[7, 8], [9]]);
        AssertReads<ulong>([7, 8, 9], [[7, 8], [9]]);
        AssertReads<uint>([7, 8, 9], [[7, 8], [9]]);
        AssertReads<ushort>([7, 65_535, 9], [[7, 65_535], [9]]);
        AssertReads<short>([7, 32_767, 9], [[7, 32_767], [9]]);
        AssertReads<byte>([7, 255, 9], [[7, 255], [9]]);
    }

    [Fact]
    public void BareRepeatedColumnIsAList()
    {
        var path = _folder.WriteForeign("bare.parquet", new DataField<int[]>("input_ids"), [1, 2, 3], [1, 1, 0, 1], [0, 1, 0, 0]);

        using var shard = TokenShard.Open(path);

        Assert.Equal([[1, 2], [], [3]], ReadAll(shard));
    }

    [Fact]
    public void NullListIsAnEmptyDocumentWhateverItsElementsAreCalled()
    {
        // Definition levels of an optional list of optional elements: 0 null list, 1 empty list, 2 null element, 3 value.
        var column = new ListField("input_ids", new DataField<int>("item", nullable: true));
        var path = _folder.WriteForeign("nulls.parquet", column, [1, 2], [3, 0, 1, 3], [0, 0, 0, 0]);

        using var shard = TokenShard.Open(path);

        Assert.Equal([[1], [], [], [2]], ReadAll(shard));
        Assert.Equal(new RowGroupCounts(4, 2), shard.Counts(0));
    }

    [Theory]
    [InlineData(new[] { 3, 2, 3 }, new[] { 0, 1, 0 }, "document 0: token 1 is null")]
    [InlineData(new[] { 3, 3, 2 }, new[] { 0, 1, 0 }, "document 1: token 0 is null")]
    public void NullElementIsRefused(int[] definitionLevels, int[] repetitionLevels, string expected)
    {
        var column = new ListField("input_ids", new DataField<int>("element", nullable: true));
        var path = _folder.WriteForeign("nulls.parquet", column, [1, 2], definitionLevels, repetitionLevels);
        using var shard = TokenShard.Open(path);

        var error = Assert.Throws<InvalidDataException>(() => shard.ReadRowGroup(0));

        Assert.StartsWith($"{path}: row group 0: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void IdOutsideTheVocabularyIsNamedWithItsPlace()
    {
        var path = _folder.Write("a.parquet", [[0, 1, 2], [3, 4], [], [5, 50, 6]], rowGroupTokens: 3);
        using var shard = TokenShard.Open(path);

        shard.ReadRowGroup(0, vocabularySize: 50);
        var error = Assert.Throws<InvalidDataException>(() => shard.ReadRowGroup(1, vocabularySize: 50));

        // Row group 1 holds the documents 3 4, none, and 5 50 6.
        Assert.StartsWith(
            $"{path}: row group 1: document 2: token 1 is 50; ids must be in [0, 50)", error.Message, StringComparison.Ordinal);
        Assert.Equal(3, shard.ReadRowGroup(1, vocabularySize: 51).DocumentCount);
    }

    [Fact]
    public void NegativeAndTooLargeIdsAreRefusedWithoutAVocabulary()
    {
        var column = new ListField("input_ids", new DataField<long>("element", nullable: false));
        var tooLarge = _folder.WriteForeign<long>("large.parquet", column, [1, 2, 1L << 31], [2, 2, 2], BeginTwoDocuments);
        using var large = TokenShard.Open(tooLarge);
        Assert.Contains("document 1: token 0 is 2147483648", Assert.Throws<InvalidDataException>(() => large.ReadRowGroup(0)).Message,
            StringComparison.Ordinal);

        var signed = new ListField("input_ids", new DataField<int>("element", nullable: false));
        var negative = _folder.WriteForeign("negative.parquet", signed, [1, -2, 3], [2, 2, 2], BeginTwoDocuments);
        using var below = TokenShard.Open(negative);
        Assert.Contains("document 0: token 1 is -2", Assert.Throws<InvalidDataException>(() => below.ReadRowGroup(0)).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(200)]
    public void TruncatedFileIsNamed(int missingBytes)
    {
        var path = _folder.Write("a.parquet", ShardFolder.Consecutive(0, 4000));
        using (var file = File.OpenWrite(path))
        {
            file.SetLength(file.Length - missingBytes);
        }

        var error = Assert.Throws<InvalidDataException>(() => TokenShard.Open(path));

        Assert.StartsWith(path + ": ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void DamagedPageIsNamedWithPathAndRowGroup()
    {
        var path = _folder.Write("a.parquet", ShardFolder.Consecutive(0, 300, 300, 300), rowGroupTokens: 300);
        Overwrite(path, DataPageOffset(path, rowGroup: 1), 50);
        using var shard = TokenShard.Open(path);

        var error = Assert.Throws<InvalidDataException>(() => shard.ReadRowGroup(1));

        Assert.StartsWith($"{path}: row group 1: ", error.Message, StringComparison.Ordinal);
        Assert.Equal(1, error.Message.Split(path).Length - 1);
        Assert.NotNull(error.InnerException);
        Assert.Equal(300, shard.ReadRowGroup(0).TokenCount);
        Assert.Equal(900 - 1, shard.ReadRowGroup(2).Ids[^1]);
    }

    [Fact]
    public void OtherColumnsAreNotMistakenForIds()
    {
        var other = _folder.WriteForeign("other.parquet", new ListField("tokens", new DataField<int>("element", false)), [1], [2], [0]);
        var missing = Assert.Throws<InvalidDataException>(() => TokenShard.Open(other));
        Assert.Contains($"{other}: there is no column input_ids; its columns are: tokens", missing.Message, StringComparison.Ordinal);

        var doubles = new ListField("input_ids", new DataField<double>("element", nullable: false));
        var fractions = _folder.WriteForeign("double.parquet", doubles, [1.5], [2], [0]);
        var wrongType = Assert.Throws<InvalidDataException>(() => TokenShard.Open(fractions));
        Assert.Contains("holds Double", wrongType.Message, StringComparison.Ordinal);

        var missingFile = _folder.PathOf("none.parquet");
        var missingError = Assert.Throws<FileNotFoundException>(() => TokenShard.Open(missingFile));
        Assert.Contains(missingFile, missingError.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void CountsOfAnUnknownWriterComeFromItsPages()
    {
        var path = _folder.Write("a.parquet", [[1, 2], [], [3]]);
        string writer;
        using (var shard = TokenShard.Open(path))
        {
            writer = shard.CreatedBy;
        }

        var bytes = File.ReadAllBytes(path);
        var at = bytes.AsSpan().LastIndexOf(Encoding.UTF8.GetBytes(writer));
        bytes.AsSpan(at, writer.Length).Fill((byte)'x');
        File.WriteAllBytes(path, bytes);

        using var foreign = TokenShard.Open(path);
        Assert.Equal(new RowGroupCounts(3, 3), foreign.Counts(0));
    }

    [Fact]
    public void UnfinishedWriterLeavesNothing()
    {
        using (var writer = new TokenShardWriter(_folder.PathOf("a.parquet"), ShardFolder.Options()))
        {
            writer.Append([1, 2, 3]);
        }

        Assert.Empty(Directory.GetFiles(_folder.Folder));
    }

    [Fact]
    public void WriterRefusesIdsOutsideItsVocabulary()
    {
        using var writer = new TokenShardWriter(_folder.PathOf("a.parquet"), ShardFolder.Options(vocabularySize: 10));
        writer.Append([9]);

        var error = Assert.Throws<ArgumentOutOfRangeException>(() => writer.Append([1, 10]));

        Assert.Contains("token 1 of document 1 is 10; ids must be in [0, 10)", error.Message, StringComparison.Ordinal);
    }

    private static int[][] ReadAll(TokenShard shard)
        => [.. Enumerable.Range(0, shard.RowGroupCount).Select(index => shard.ReadRowGroup(index))
            .SelectMany(group => Enumerable.Range(0, group.DocumentCount).Select(document => group.Document(document).ToArray()))];

    private static long DataPageOffset(string path, int rowGroup)
    {
        using var shard = TokenShard.Open(path);
        return shard.Footer.Chunks[rowGroup].Start;
    }

    private static void Overwrite(string path, long offset, int count)
    {
        using var file = File.OpenWrite(path);
        file.Position = offset;
        file.Write(new byte[count]);
    }

    private void AssertReads<T>(T[] values, int[][] expected) where T : struct
    {
        var column = new ListField("input_ids", new DataField<T>("element", nullable: false));
        var path = _folder.WriteForeign(typeof(T).Name + ".parquet", column, values, [2, 2, 2], BeginTwoDocuments);
        using var shard = TokenShard.Open(path);
        Assert.Equal(expected, ReadAll(shard));
    }
}
