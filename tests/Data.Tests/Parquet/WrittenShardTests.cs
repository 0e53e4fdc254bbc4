using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tests.Shards;
using Parquet;
using ParquetSharp;
using Encoding = ParquetSharp.Encoding;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>What our writer puts into files, and that it comes back, in every form that is offered.</summary>
public sealed class WrittenShardTests : IDisposable
{
    private readonly ShardFolder _folder = new();

    public static TheoryData<CompressionMethod, EncodingHint> Forms()
    {
        CompressionMethod[] compressions =
        [
            CompressionMethod.None, CompressionMethod.Snappy, CompressionMethod.Gzip, CompressionMethod.Brotli, CompressionMethod.Zstd, CompressionMethod.Lz4Raw,
        ];
        var forms = new TheoryData<CompressionMethod, EncodingHint>();
        foreach (var compression in compressions)
        {
            forms.Add(compression, EncodingHint.Default);
            forms.Add(compression, EncodingHint.DeltaBinaryPacked);
        }

        return forms;
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task ThreeReadersFindTheDocuments(CompressionMethod compression, EncodingHint encoding)
    {
        int[][] documents = [.. DocumentFormula.Documents(1000, mayBeNull: true).Select(ids => ids ?? [])];
        var path = Write("a.parquet", documents, compression, encoding, rowGroupTokens: 1800);

        Assert.Equal(documents, ReadBack(path));
        Assert.Equal(documents, ShardReaders.ByRows(path));
        Assert.Equal(documents.SelectMany(ids => ids), await ShardReaders.ValuesByWriterAsync(path));
        using var reader = new ParquetFileReader(path);
        Assert.True(reader.FileMetaData.NumRowGroups > 2);
        using var group = reader.RowGroup(0);
        using var chunk = group.MetaData.GetColumnChunkMetaData(0);
        Assert.Equal(compression switch
        {
            CompressionMethod.None => Compression.Uncompressed,
            CompressionMethod.Lz4Raw => Compression.Lz4,
            _ => Enum.Parse<Compression>(compression.ToString()),
        }, chunk.Compression);
        Assert.Contains(encoding == EncodingHint.Default ? Encoding.Plain : Encoding.DeltaBinaryPacked, chunk.Encodings);
    }

    [Theory]
    [InlineData(EncodingHint.Default)]
    [InlineData(EncodingHint.DeltaBinaryPacked)]
    public void ExtremeIdsAndLengthsComeBack(EncodingHint encoding)
    {
        // Differences that wrap, runs of one id, a document larger than a batch of the reader, none, and one id alone.
        const int Largest = int.MaxValue - 1;
        int[][] documents =
        [
            [0, Largest, 0, Largest, Largest, 0, 1, Largest - 1, 2, .. Enumerable.Range(0, 300).Select(i => i * i * i)],
            [.. Enumerable.Repeat(7, 5000)],
            [.. Enumerable.Range(0, 100_000).Select(i => (int)(i * 7919L * 7919 % int.MaxValue))],
            [],
            [Largest],
        ];
        var path = Write("a.parquet", documents, CompressionMethod.Zstd, encoding, rowGroupTokens: 1 << 20, vocabularySize: int.MaxValue);

        Assert.Equal(documents, ReadBack(path));
        Assert.Equal(documents, ShardReaders.ByRows(path));
    }

    [Fact]
    public void StatisticsAndMetadataStandInTheFooter()
    {
        var path = Write("a.parquet", [[5, 3], [], [70_000], []], CompressionMethod.Zstd, EncodingHint.DeltaBinaryPacked, rowGroupTokens: 1 << 20);

        using var reader = new ParquetFileReader(path);
        using var group = reader.RowGroup(0);
        using var chunk = group.MetaData.GetColumnChunkMetaData(0);
        using var statistics = chunk.Statistics;
        Assert.Equal((4, 5), (reader.FileMetaData.NumRows, chunk.NumValues));

        // Empty lists count as null, which is how tokens are counted without reading pages.
        Assert.Equal(2, statistics!.NullCount);
        Assert.StartsWith("Parquet.Net ", reader.FileMetaData.CreatedBy, StringComparison.Ordinal);
        Assert.Equal(ShardFolder.Tokenizer, reader.FileMetaData.KeyValueMetadata["kvshift.tokenizer"]);
        Assert.Equal("100000", reader.FileMetaData.KeyValueMetadata["kvshift.vocab_size"]);
        Assert.Matches("^[0-9a-f]{8}$", reader.FileMetaData.KeyValueMetadata["kvshift.row_group_crc32c"]);
    }

    [Fact]
    public void ChecksumsAreThoseOfTheStoredBytes()
    {
        var path = Write("a.parquet", ShardFolder.Consecutive(0, 300, 301, 302), CompressionMethod.Zstd, EncodingHint.Default, rowGroupTokens: 300);
        var content = File.ReadAllBytes(path);

        using var shard = TokenShard.Open(path);
        using var reader = new ParquetFileReader(path);
        var checksums = reader.FileMetaData.KeyValueMetadata[TokenShard.ChecksumsKey];
        Assert.Equal(shard.Footer.Chunks.Select(chunk => $"{BitByBit(content.AsSpan((int)chunk.Start, (int)chunk.StoredBytes)):x8}"),
            checksums.Chunk(8).Select(digits => new string(digits)));
        Assert.Equal(0xE3069283, BitByBit("123456789"u8));
    }

    [Theory]
    [InlineData(EncodingHint.Dictionary, "Dictionary")]
    [InlineData(EncodingHint.ByteSplitStream, "ByteSplitStream")]
    public void EncodingsThatOthersDoNotGetAreRefused(EncodingHint encoding, string named)
    {
        var error = Assert.Throws<ArgumentException>(
            () => new TokenShardWriter(_folder.PathOf("a.parquet"), ShardFolder.Options() with { Encoding = encoding }));
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder.Folder));
    }

    [Theory]
    [InlineData(CompressionMethod.LZ4)]
    [InlineData(CompressionMethod.Lzo)]
    public void CodecsThatOthersDoNotGetAreRefused(CompressionMethod compression)
    {
        var error = Assert.Throws<ArgumentException>(
            () => new TokenShardWriter(_folder.PathOf("a.parquet"), ShardFolder.Options() with { Compression = compression }));
        Assert.Contains(compression.ToString(), error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder.Folder));
    }

    [Fact]
    public void AShardWithoutDocumentsIsOneStill()
    {
        var path = Write("a.parquet", [], CompressionMethod.Zstd, EncodingHint.DeltaBinaryPacked, rowGroupTokens: 10);

        Assert.Equal(0, ShardVerification.Read(path).Rows);
        Assert.Empty(ShardReaders.ByRows(path));
    }

    private static int[][] ReadBack(string path)
    {
        using var shard = TokenShard.Open(path);
        return [.. Enumerable.Range(0, shard.RowGroupCount).Select(index => shard.ReadRowGroup(index))
            .SelectMany(group => Enumerable.Range(0, group.DocumentCount).Select(document => group.Document(document).ToArray()))];
    }

    // CRC-32C as its polynomial defines it.
    private static uint BitByBit(ReadOnlySpan<byte> data)
    {
        var state = uint.MaxValue;
        foreach (var part in data)
        {
            state ^= part;
            for (var bit = 0; bit < 8; bit++)
            {
                state = (state >> 1) ^ ((state & 1) * 0x82F63B78u);
            }
        }

        return ~state;
    }

    private string Write(
        string name, int[][] documents, CompressionMethod compression, EncodingHint encoding, int rowGroupTokens, int vocabularySize = 100_000)
        => _folder.Write(name, documents,
            options: ShardFolder.Options(vocabularySize, rowGroupTokens) with { Compression = compression, Encoding = encoding });
}
