using System.Buffers.Binary;
using System.IO.Compression;
using Parquet;
using Parquet.Meta;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>
/// Nothing in a file is trusted: damage of any kind gives a ParquetException that names the file, or the right data where it does no
/// harm; never another exception, a hang, or memory out of proportion.
/// </summary>
public sealed class DamagedFileTests : IDisposable
{
    // The files here have a few thousand bytes. The reader's buffers for them take well below one MiB.
    private const long LargestAllocation = 4 << 20;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("duckdb-v1-snappy")]
    [InlineData("arrow-v2fallback-brotli")]
    [InlineData("hyparquet-v2-snappy")]
    public async Task A_file_cut_anywhere_is_refused(string name)
    {
        var content = await File.ReadAllBytesAsync(ForeignFile.PathOf(name));
        var path = _folder.File("cut.parquet");
        await File.WriteAllBytesAsync(path, content);
        for (var length = content.Length - 1; length >= 0; length -= length > 64 ? 13 : 1)
        {
            using (var file = File.OpenHandle(path, access: FileAccess.Write))
            {
                RandomAccess.SetLength(file, length);
            }

            var error = await Assert.ThrowsAsync<ParquetException>(() => ParquetReader.CreateAsync(path));
            Assert.Contains(path, error.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("arrow-v1fallback-snappy")]
    [InlineData("arrow-v1plain-gzip")]
    [InlineData("arrow-v1delta-zstd")]
    [InlineData("arrow-v1split-zstd")]
    [InlineData("arrow-v2-zstd")]
    [InlineData("arrow-v2fallback-brotli")]
    [InlineData("arrow-v2plain-lz4_raw")]
    [InlineData("duckdb-v1-uncompressed")]
    [InlineData("duckdb-v1uint16-zstd")]
    [InlineData("duckdb-v2-zstd")]
    [InlineData("hyparquet-twolevel-snappy")]
    public async Task A_flipped_byte_never_does_worse_than_an_exception(string name)
    {
        var content = await File.ReadAllBytesAsync(ForeignFile.PathOf(name));
        var refused = 0;
        var tried = 0;
        await foreach (var documents in ReadDamagedAsync(content))
        {
            tried++;
            refused += documents == null ? 1 : 0;
        }

        // Some damage must be noticed, and some (to statistics, to a writer's name) must not matter.
        Assert.InRange(refused, 1, tried - 1);
    }

    [Theory]
    [InlineData(CompressionMethod.None, EncodingHint.Default)]
    [InlineData(CompressionMethod.Snappy, EncodingHint.Dictionary)]
    [InlineData(CompressionMethod.Zstd, EncodingHint.DeltaBinaryPacked)]
    public async Task Checksums_keep_flipped_bytes_out_of_the_data(CompressionMethod method, EncodingHint hint)
    {
        var documents = DocumentFormula.Documents(150, mayBeNull: true);
        var path = _folder.File("checked.parquet");
        var options = new ParquetOptions { CompressionMethod = method, CompressionLevel = CompressionLevel.Optimal };
        options.ColumnEncodingHints["input_ids/list/element"] = hint;
        await TokenColumn.WriteAsync<int>(path, documents, 50, options);

        await foreach (var read in ReadDamagedAsync(await File.ReadAllBytesAsync(path)))
        {
            if (read != null)
            {
                Assert.Equal(documents, read);
            }
        }
    }

    [Fact]
    public async Task The_message_says_where_a_page_is_damaged()
    {
        var path = _folder.File("second-group.parquet");
        await TokenColumn.WriteAsync<int>(path, DocumentFormula.Documents(200, mayBeNull: false), 100, new());
        ColumnMetaData chunk;
        await using (var reader = await ParquetReader.CreateAsync(path))
        {
            chunk = reader.Metadata!.RowGroups[1].Columns[0].MetaData!;
        }

        var lastByte = chunk.DataPageOffset + chunk.TotalCompressedSize - 1;
        SetByte(path, lastByte, (byte)((await File.ReadAllBytesAsync(path))[lastByte] ^ 0xFF));

        var error = await Assert.ThrowsAsync<ParquetException>(() => TokenColumn.ReadAsync(path));
        Assert.StartsWith(
            $"{path}: row group 1, column input_ids/list/element: page 0 at byte {chunk.DataPageOffset}: checksum ",
            error.Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, "begins with 00415231")]
    [InlineData(-4, "ends with 00415231")]
    public async Task Wrong_magic_is_named(int position, string expected)
    {
        var content = await File.ReadAllBytesAsync(ForeignFile.PathOf("duckdb-v1-zstd"));
        content[position < 0 ? content.Length + position : position] = 0;
        await AssertRefusedAsync(content, expected);
    }

    [Fact]
    public async Task Encrypted_files_are_refused_by_name()
    {
        var content = await File.ReadAllBytesAsync(ForeignFile.PathOf("duckdb-v1-zstd"));
        "PARE"u8.CopyTo(content.AsSpan(content.Length - 4));
        await AssertRefusedAsync(content, "encrypted");
    }

    [Theory]
    [InlineData(int.MaxValue)]
    [InlineData(int.MinValue)]
    [InlineData(-1)]
    [InlineData(0)]
    [InlineData(100_000)]
    public async Task An_absurd_footer_length_is_refused(int length)
    {
        var content = await File.ReadAllBytesAsync(ForeignFile.PathOf("duckdb-v1-zstd"));
        BinaryPrimitives.WriteInt32LittleEndian(content.AsSpan(content.Length - 8), length);
        await AssertRefusedAsync(content, $"a footer of {length} bytes");
    }

    [Fact]
    public async Task A_file_of_noise_between_good_ends_is_refused()
    {
        var random = new Random(1);
        for (var i = 0; i < 500; i++)
        {
            var content = new byte[random.Next(12, 400)];
            random.NextBytes(content);
            "PAR1"u8.CopyTo(content);
            BinaryPrimitives.WriteInt32LittleEndian(content.AsSpan(content.Length - 8), content.Length - 12);
            "PAR1"u8.CopyTo(content.AsSpan(content.Length - 4));
            await AssertRefusedAsync(content, "footer");
        }
    }

    /// <summary>Damages one byte after the other, reads everything, and yields the documents, or null where the file was refused.</summary>
    private async IAsyncEnumerable<int[]?[]?> ReadDamagedAsync(byte[] content)
    {
        var path = _folder.File("flipped.parquet");
        await File.WriteAllBytesAsync(path, content);
        var step = Math.Max(1, content.Length / 1500);
        for (var position = 0; position < content.Length; position += step)
        {
            var flip = position / step % 3 == 0 ? 0xFF : 1 << (position % 8);
            SetByte(path, position, (byte)(content[position] ^ flip));
            yield return await ReadOrRefuseAsync(path, position);
            SetByte(path, position, content[position]);
        }
    }

    // The path overload reads without leaving its thread, so that what it allocates can be counted.
    private static async Task<int[]?[]?> ReadOrRefuseAsync(string path, int position)
    {
        var allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            await using var reader = await ParquetReader.CreateAsync(path);

            // A caller has to look before it sets buffers aside: these files have fewer than 5000 slots.
            if (reader.Metadata!.RowGroups.Any(group => group.Columns.Any(chunk => chunk.MetaData?.NumValues > 10_000))
                || reader.Schema.DataFields.Count(field => field.Path.FirstPart == "input_ids") != 1
                || TokenColumn.Find(reader).ClrType is var type && type != typeof(int) && type != typeof(ushort))
            {
                return null;
            }

            return await TokenColumn.ReadAsync(reader);
        }
        catch (ParquetException e)
        {
            Assert.Contains(path, e.Message, StringComparison.Ordinal);
            return null;
        }
        finally
        {
            var allocated = GC.GetAllocatedBytesForCurrentThread() - allocatedBefore;
            Assert.True(allocated < LargestAllocation, $"{allocated} bytes of memory taken after damage at byte {position}");
        }
    }

    private static void SetByte(string path, long position, byte value)
    {
        using var file = File.OpenHandle(path, access: FileAccess.Write);
        RandomAccess.Write(file, [value], position);
    }

    private async Task AssertRefusedAsync(byte[] content, string expected)
    {
        var path = _folder.File("bad.parquet");
        await File.WriteAllBytesAsync(path, content);
        var error = await Assert.ThrowsAsync<ParquetException>(() => ParquetReader.CreateAsync(path));
        Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }
}
