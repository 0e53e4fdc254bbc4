using Parquet;
using Parquet.Meta;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>Files of DuckDB, arrow-rs and hyparquet hold the formula's documents, whatever their codecs, encodings and pages.</summary>
public sealed class ForeignFileTests
{
    [Theory]
    [InlineData("duckdb-v1-uncompressed", 300, 1, typeof(int))]
    [InlineData("duckdb-v1-snappy", 300, 1, typeof(int))]
    [InlineData("duckdb-v1-gzip", 300, 1, typeof(int))]
    [InlineData("duckdb-v1-zstd", 300, 1, typeof(int))]
    [InlineData("duckdb-v1-brotli", 300, 1, typeof(int))]
    [InlineData("duckdb-v1-lz4_raw", 300, 1, typeof(int))]
    [InlineData("duckdb-v1dictionary-snappy", 800, 1, typeof(int))]
    [InlineData("duckdb-v1groups-zstd", 4200, 3, typeof(int))]
    [InlineData("duckdb-v1uint16-zstd", 300, 1, typeof(ushort))]
    [InlineData("duckdb-v2-zstd", 300, 1, typeof(int))]
    [InlineData("duckdb-v2int64-snappy", 300, 1, typeof(long))]
    [InlineData("arrow-v1-uncompressed", 300, 1, typeof(int))]
    [InlineData("arrow-v1fallback-snappy", 500, 1, typeof(int))]
    [InlineData("arrow-v1plain-gzip", 300, 1, typeof(int))]
    [InlineData("arrow-v1delta-zstd", 300, 1, typeof(int))]
    [InlineData("arrow-v1split-zstd", 300, 1, typeof(int))]
    [InlineData("arrow-v1groups-zstd", 500, 5, typeof(int))]
    [InlineData("arrow-v1uint16-snappy", 300, 1, typeof(ushort))]
    [InlineData("arrow-v2-zstd", 300, 1, typeof(int))]
    [InlineData("arrow-v2fallback-brotli", 500, 1, typeof(int))]
    [InlineData("arrow-v2plain-lz4_raw", 300, 1, typeof(int))]
    [InlineData("arrow-v2int64-snappy", 300, 1, typeof(long))]
    [InlineData("hyparquet-v2-snappy", 300, 1, typeof(int))]
    [InlineData("hyparquet-twolevel-snappy", 300, 1, typeof(int))]
    public async Task Lists_with_nulls_read_as_written(string name, int documents, int rowGroups, System.Type type)
    {
        await using var reader = await ParquetReader.CreateAsync(ForeignFile.PathOf(name));
        Assert.Equal(rowGroups, reader.RowGroupCount);
        Assert.Equal(type, TokenColumn.Find(reader).ClrType);
        Assert.Equal(DocumentFormula.Documents(documents, mayBeNull: true), await TokenColumn.ReadAsync(reader));
    }

    [Theory]
    [InlineData("hyparquet-required-uncompressed", "input_ids/list/element")]
    [InlineData("hyparquet-bare-snappy", "input_ids")]
    public async Task Lists_that_cannot_be_null_read_as_written(string name, string path)
    {
        await using var reader = await ParquetReader.CreateAsync(ForeignFile.PathOf(name));
        var field = TokenColumn.Find(reader);
        Assert.Equal(path, field.Path.ToString());
        Assert.Equal((1, 1), (field.MaxDefinitionLevel, field.MaxRepetitionLevel));
        Assert.Equal(DocumentFormula.Documents(300, mayBeNull: false), await TokenColumn.ReadAsync(reader));
    }

    [Theory]
    [InlineData("duckdb-v1-snappy", 300)]
    [InlineData("duckdb-v1dictionary-snappy", 800)]
    [InlineData("duckdb-v2-zstd", 300)]
    [InlineData("arrow-v1fallback-snappy", 500)]
    [InlineData("arrow-v2fallback-brotli", 500)]
    [InlineData("arrow-v2plain-lz4_raw", 300)]
    public async Task Optional_text_and_numbers_read_as_written(string name, int documents)
    {
        await using var reader = await ParquetReader.CreateAsync(ForeignFile.PathOf(name));
        using var group = reader.OpenRowGroupReader(0);
        Assert.Equal(documents, group.RowCount);

        var ids = new string?[documents];
        await group.ReadAsync(reader.Schema.FindDataField("id"), ids);
        Assert.Equal(Enumerable.Range(0, documents).Select(DocumentFormula.Id), ids);

        var weights = new int?[documents];
        await group.ReadAsync<int>(reader.Schema.FindDataField("weight"), weights.AsMemory());
        Assert.Equal(Enumerable.Range(0, documents).Select(DocumentFormula.Weight), weights);
    }

    [Fact]
    public async Task Files_hold_the_encodings_they_are_there_for()
    {
        Assert.Contains(Encoding.PLAIN_DICTIONARY, await EncodingsAsync("duckdb-v1dictionary-snappy"));
        Assert.Contains(Encoding.DELTA_BINARY_PACKED, await EncodingsAsync("duckdb-v2-zstd"));
        Assert.Contains(Encoding.BYTE_STREAM_SPLIT, await EncodingsAsync("arrow-v1split-zstd"));
        Assert.Superset(
            new HashSet<Encoding> { Encoding.RLE_DICTIONARY, Encoding.DELTA_BINARY_PACKED },
            (await EncodingsAsync("arrow-v2fallback-brotli")).ToHashSet());
    }

    [Fact]
    public async Task Deprecated_lz4_is_read_in_the_framing_of_hadoop()
        => Assert.Equal(DocumentFormula.Documents(20, mayBeNull: true), await TokenColumn.ReadAsync(ForeignFile.PathOf("arrow-v1-lz4")));

    [Fact]
    public async Task A_stream_reads_like_a_path_and_stays_open_by_default()
    {
        await using var stream = File.OpenRead(ForeignFile.PathOf("duckdb-v1-zstd"));
        await using (var reader = await ParquetReader.CreateAsync(stream))
        {
            Assert.Equal(DocumentFormula.Documents(300, mayBeNull: true), await TokenColumn.ReadAsync(reader));
        }

        Assert.True(stream.CanRead);
        await using (await ParquetReader.CreateAsync(stream, leaveStreamOpen: false))
        {
            Assert.True(stream.CanRead);
        }

        Assert.False(stream.CanRead);
    }

    private static async Task<List<Encoding>> EncodingsAsync(string name)
    {
        await using var reader = await ParquetReader.CreateAsync(ForeignFile.PathOf(name));
        return reader.OpenRowGroupReader(0).GetMetadata(TokenColumn.Find(reader))!.MetaData!.Encodings;
    }
}
