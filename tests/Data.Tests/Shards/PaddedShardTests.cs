using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tests.Parquet;
using ParquetSharp;

namespace KvShiftScale.Data.Tests.Shards;

/// <summary>Shards of padded ids with an <c>attention_mask</c>, as a tokenizer's output is often stored; written by Arrow's C++ library.</summary>
public sealed class PaddedShardTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string File => _folder.File("a.parquet");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void PaddingOnEitherSideIsNoPartOfADocument()
    {
        Write<sbyte>([[5, 6, 0, 0], [0, 0, 7, 8], [9, 9, 9, 9], [0, 0, 0, 0], []], [[1, 1, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0], []]);

        using var shard = TokenShard.Open(File);
        var group = shard.ReadRowGroup(0);

        Assert.Equal([[5, 6], [7, 8], [9, 9, 9, 9], [], []], Documents(group));
        Assert.Equal(new RowGroupCounts(5, 8), shard.Counts(0));
        Assert.Equal(8, ShardInspection.Read(File).PaddingCount);
        // What is left out is no part of a run's data either.
        var catalog = ShardCatalog.Open([new DataSource(File, 1)], new CountingOptions());
        Assert.Equal(8, catalog.Sources[0].Fingerprint.Tokens);
    }

    [Fact]
    public void IdsThatArePaddingMayBeAnything()
    {
        Write<int>([[1, 2, -100, -100]], [[1, 1, 0, 0]]);

        using var shard = TokenShard.Open(File);

        Assert.Null(shard.StatedIds(0));
        Assert.Equal([[1, 2]], Documents(shard.ReadRowGroup(0, vocabularySize: 3)));
    }

    [Fact]
    public void AMaskOfOnesCostsNothing()
    {
        Write<long>([[1, 2], [3]], [[1, 1], [1]]);

        using var shard = TokenShard.Open(File);

        Assert.Equal(new IdRange(1, 3), shard.StatedIds(0));
        Assert.Equal([[1, 2], [3]], Documents(shard.ReadRowGroup(0)));
    }

    [Theory]
    [InlineData(new sbyte[] { 1, 0, 1 }, "document 0 has an attention_mask that is not 1 for consecutive ids and 0 for padding around them")]
    [InlineData(new sbyte[] { 1, 2, 1 }, "document 0 has an attention_mask that is not 1 for consecutive ids and 0 for padding around them")]
    [InlineData(new sbyte[] { 1, 0 }, "document 0 has 3 ids and 2 numbers in its attention_mask")]
    public void AnotherMaskIsRefused(sbyte[] mask, string fault)
    {
        Write<sbyte>([[4, 5, 6]], [mask]);

        using var shard = TokenShard.Open(File);
        var exception = Assert.Throws<InvalidDataException>(() => shard.ReadRowGroup(0));

        Assert.StartsWith($"{File}: row group 0: column attention_mask/", exception.Message, StringComparison.Ordinal);
        Assert.Contains(fault, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AMaskOfAnotherKindIsRefusedWhenTheFileIsOpened()
    {
        Write<float>([[4]], [[1]]);

        var exception = Assert.Throws<InvalidDataException>(() => TokenShard.Open(File));

        Assert.Contains("column attention_mask holds Float; 0 and 1 must be integers", exception.Message, StringComparison.Ordinal);
    }

    private static IEnumerable<int[]> Documents(DocumentGroup group)
        => Enumerable.Range(0, group.DocumentCount).Select(document => group.Document(document).ToArray());

    private void Write<T>(int[][] ids, T[][] mask)
    {
        using var file = new ParquetFileWriter(File, [new Column<int[]>("input_ids"), new Column<T[]>("attention_mask")]);
        using var group = file.AppendRowGroup();
        using (var column = group.NextColumn().LogicalWriter<int[]>())
        {
            column.WriteBatch(ids);
        }

        using (var column = group.NextColumn().LogicalWriter<T[]>())
        {
            column.WriteBatch(mask);
        }

        file.Close();
    }
}
