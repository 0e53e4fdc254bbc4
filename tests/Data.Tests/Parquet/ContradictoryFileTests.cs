using System.IO.Compression;
using Parquet;
using Parquet.Schema;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>Files whose parts are each well formed but contradict one another: made from good files by changing a few bytes.</summary>
public sealed class ContradictoryFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(CompressionMethod.Snappy)]
    [InlineData(CompressionMethod.Gzip)]
    [InlineData(CompressionMethod.Brotli)]
    [InlineData(CompressionMethod.Zstd)]
    [InlineData(CompressionMethod.Lz4Raw)]
    public async Task A_page_cannot_claim_two_gibibytes(CompressionMethod method)
    {
        var file = await WriteTokensAsync(method);

        // Page header: 0x15 type, 0x15 uncompressed size, 0x15 stored size. 2^31 - 1 as a zigzag varint takes five bytes.
        Assert.Equal([0x15, 0x00, 0x15], file[4..7]);
        var sizeEnd = 7 + Array.FindIndex(file[7..], part => part < 0x80) + 1;
        byte[] changed = [.. file[..7], 0xFE, 0xFF, 0xFF, 0xFF, 0x0F, .. file[sizeEnd..]];
        await AssertRefusedAsync(changed, "the 2147483647 bytes that the page header states");
    }

    [Fact]
    public async Task Levels_must_begin_as_many_rows_as_the_group_has()
    {
        // 100 is C8 01 as a zigzag varint; it stands in the footer as rows of the file and rows of the group. 99 is C6 01.
        var file = Replace(await WriteTokensAsync(CompressionMethod.Zstd), [0x16, 0xC8, 0x01], [0x16, 0xC6, 0x01], times: 2);
        await AssertRefusedAsync(file, "its levels begin 100 rows where the row group has 99");
    }

    [Fact]
    public async Task Levels_must_not_exceed_what_the_schema_allows()
    {
        // The list (name: 0x18, length 9) becomes required (0) instead of optional (1), so that its highest level is 1.
        var name = "\u0018\u0009input_ids"u8.ToArray();
        var file = Replace(await WriteTokensAsync(CompressionMethod.Zstd), [0x35, 0x02, .. name], [0x35, 0x00, .. name], times: 1);
        await AssertRefusedAsync(file, "level 2 where the column's highest is 1");
    }

    [Fact]
    public async Task Numbers_must_fit_the_width_that_the_schema_states()
    {
        var field = new DataField<uint>("input_ids");
        var stream = new MemoryStream();
        await using (var writer = await ParquetWriter.CreateAsync(new ParquetSchema(field), stream))
        {
            using var group = writer.CreateRowGroup();
            await group.WriteAsync<uint>(field, new uint[] { 1, 70_000 }.AsMemory());
        }

        // Integer annotation: 0x13 bit width, 0x12 unsigned; 32 bits become 16.
        var path = _folder.File("narrow.parquet");
        await File.WriteAllBytesAsync(path, Replace(stream.ToArray(), [0x13, 32, 0x12], [0x13, 16, 0x12], times: 1));
        await using var reader = await ParquetReader.CreateAsync(path);
        using var read = reader.OpenRowGroupReader(0);
        var error = await Assert.ThrowsAsync<ParquetException>(
            async () => await read.ReadAsync<ushort>(reader.Schema.DataFields[0], new ushort[2].AsMemory()));
        Assert.Contains("does not fit the column's type, UInt16", error.Message, StringComparison.Ordinal);
    }

    private async Task<byte[]> WriteTokensAsync(CompressionMethod method)
    {
        var path = _folder.File("good.parquet");
        var options = new ParquetOptions { CompressionMethod = method, CompressionLevel = CompressionLevel.Optimal };
        await TokenColumn.WriteAsync<int>(path, [.. Enumerable.Repeat(Enumerable.Range(0, 20).ToArray(), 100)], 100, options);
        return await File.ReadAllBytesAsync(path);
    }

    private static byte[] Replace(byte[] file, byte[] from, byte[] to, int times)
    {
        var changed = file.ToArray();
        for (var left = times; left > 0; left--)
        {
            to.CopyTo(changed, changed.AsSpan().IndexOf(from));
        }

        Assert.Equal(-1, changed.AsSpan().IndexOf(from));
        return changed;
    }

    private async Task AssertRefusedAsync(byte[] content, string expected)
    {
        var path = _folder.File("changed.parquet");
        await File.WriteAllBytesAsync(path, content);

        // The path overload reads without leaving its thread, so that what it allocates can be counted.
        var allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
        var error = await Assert.ThrowsAsync<ParquetException>(() => TokenColumn.ReadAsync(path));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - allocatedBefore, 0, 2 << 20);
        Assert.StartsWith($"{path}: row group 0, column input_ids/list/element: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }
}
