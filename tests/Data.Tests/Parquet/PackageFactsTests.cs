using Parquet;
using Parquet.Schema;
using ParquetSharp;
using Encoding = ParquetSharp.Encoding;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>
/// What the packages do that our code is built around. When one of these fails after a change of version, the code that it explains may
/// become simpler.
/// </summary>
public sealed class PackageFactsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // Why ShardWriterOptions refuses dictionaries.
    [Fact]
    public async Task TheWriterMakesDictionariesOfTextOnly()
        => Assert.Equal([Encoding.Plain, Encoding.Rle], (await WriteAsync(EncodingHint.Dictionary)).Encodings.Order());

    // Why shards carry checksums of their own, and why pages are as large as a row group.
    [Fact]
    public async Task TheWriterMakesOnePageWithoutChecksum()
    {
        var (path, _) = await WriteAsync(EncodingHint.Default);
        var content = await File.ReadAllBytesAsync(path);

        // A page header begins with type, size and stored size, a byte 0x15 before each; its checksum would be the fourth field, in the same
        // way. 0x1C: the fifth field follows.
        var at = 4;
        for (var field = 0; field < 3; field++)
        {
            Assert.Equal(0x15, content[at++]);
            while (content[at++] >= 0x80)
            {
            }
        }

        Assert.Equal(0x2C, content[at]);
        using var shard = KvShiftScale.Data.Shards.TokenShard.Open(path);
        var stored = shard.Footer.Chunks[0].StoredBytes;
        Assert.True(shard.ReadRowGroup(0).TokenCount * sizeof(int) > 1 << 20);
        Assert.InRange(stored, shard.ReadRowGroup(0).TokenCount * sizeof(int), long.MaxValue);
    }

    // Why the place of a chunk and histograms of levels are taken from the footer itself.
    [Fact]
    public void TheReaderDoesNotTellWherePagesLie()
        => Assert.DoesNotContain(typeof(ColumnChunkMetaData).GetProperties(), property =>
            property.Name.Contains("PageOffset", StringComparison.Ordinal) || property.Name.Contains("SizeStatistics", StringComparison.Ordinal));

    private async Task<(string Path, Encoding[] Encodings)> WriteAsync(EncodingHint encoding)
    {
        var path = _folder.File("a.parquet");
        var element = new DataField<int>("element", nullable: false);
        var options = new ParquetOptions { CompressionMethod = CompressionMethod.None };
        options.ColumnEncodingHints["input_ids/list/element"] = encoding;
        int[] ids = [.. Enumerable.Range(0, 300_000).Select(i => i % 50)];
        await using (var file = File.Create(path))
        await using (var writer = await ParquetWriter.CreateAsync(new ParquetSchema(new ListField("input_ids", element)), file, options))
        {
            using var group = writer.CreateRowGroup();
            await group.WriteAllPartsAsync<int>(element, ids, Enumerable.Repeat(2, ids.Length).ToArray(),
                Enumerable.Range(0, ids.Length).Select(i => i == 0 ? 0 : 1).ToArray(), CancellationToken.None);
        }

        using var reader = new ParquetFileReader(path);
        using var read = reader.RowGroup(0);
        using var chunk = read.MetaData.GetColumnChunkMetaData(0);
        return (path, chunk.Encodings);
    }
}
