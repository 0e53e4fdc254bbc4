using System.Buffers.Binary;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tests.Shards;
using Parquet;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>
/// Nothing in a file is trusted: damage of any kind gives an exception that names the file, or the right data where it does no harm; never
/// another exception, a hang, or memory out of proportion.
/// </summary>
public sealed class DamagedFileTests : IDisposable
{
    // The files here have a few thousand bytes; a million ids are set aside for without proof.
    private const long LargestAllocation = 16 << 20;

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

            var error = Assert.Throws<InvalidDataException>(() => TokenShard.Open(path));
            Assert.StartsWith(path + ": ", error.Message, StringComparison.Ordinal);
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
        await foreach (var found in ReadDamagedAsync(content))
        {
            tried++;
            refused += found is null ? 1 : 0;
        }

        // Some damage must be noticed, and some (to statistics, to a writer's name) must not matter.
        Assert.InRange(refused, 1, tried - 1);
    }

    [Theory]
    [InlineData(CompressionMethod.None, EncodingHint.Default)]
    [InlineData(CompressionMethod.Snappy, EncodingHint.Default)]
    [InlineData(CompressionMethod.Zstd, EncodingHint.DeltaBinaryPacked)]
    public async Task Checksums_keep_flipped_bytes_out_of_the_data(CompressionMethod method, EncodingHint hint)
    {
        using var folder = new ShardFolder();
        int[][] documents = [.. DocumentFormula.Documents(150, mayBeNull: false).Select(ids => ids!)];
        var path = folder.Write("checked.parquet", documents,
            options: ShardFolder.Options(rowGroupTokens: 300) with { Compression = method, Encoding = hint });
        var expected = ShardVerification.Read(path);
        var content = await File.ReadAllBytesAsync(path);
        var pagesEnd = content.Length - 8 - BinaryPrimitives.ReadInt32LittleEndian(content.AsSpan(content.Length - 8));

        var position = 0;
        await foreach (var read in ReadDamagedAsync(content))
        {
            Assert.True(read is null || read == expected);
            Assert.True(read is null || position >= pagesEnd, $"byte {position} of a page is not what it was");
            position += Math.Max(1, content.Length / 1500);
        }
    }

    [Fact]
    public async Task The_message_says_where_a_page_is_damaged()
    {
        using var folder = new ShardFolder();
        var path = folder.Write("groups.parquet", ShardFolder.Consecutive(0, 300, 300, 300), rowGroupTokens: 300);
        long start, length;
        using (var shard = TokenShard.Open(path))
        {
            (start, length) = (shard.Footer.Chunks[1].Start, shard.Footer.Chunks[1].StoredBytes);
        }

        var content = await File.ReadAllBytesAsync(path);
        SetByte(path, start + length - 1, (byte)(content[start + length - 1] ^ 0xFF));
        AssertMessage($"its {length} bytes have checksum ");

        // Without checksums the page's own header and codec tell.
        HideChecksums(path);
        AssertMessage("");
        SetByte(path, start, 0xFF);
        AssertMessage($"page 0 at byte {start}: ");

        void AssertMessage(string expected)
        {
            using var shard = TokenShard.Open(path);
            var error = Assert.Throws<InvalidDataException>(() => shard.ReadRowGroup(1));
            Assert.StartsWith($"{path}: row group 1: column input_ids/list/element: chunk at byte {start}: {expected}", error.Message, StringComparison.Ordinal);
            Assert.Equal(300, shard.ReadRowGroup(0).TokenCount);
            Assert.Equal(300, shard.ReadRowGroup(2).TokenCount);
        }
    }

    [Fact]
    public void Checksums_of_pages_that_others_write_are_verified()
    {
        // hyparquet keeps none, DuckDB and arrow-rs neither: a page of ours gets one, the CRC-32 of its bytes, as the format has it.
        using var folder = new ShardFolder();
        int[] ids = [.. Enumerable.Range(0, 1000).Select(i => i * 7919 % 5000)];
        var path = folder.Write("plain.parquet", [ids], options: ShardFolder.Options() with { Compression = CompressionMethod.None, Encoding = EncodingHint.Default });
        HideChecksums(path);
        var expected = ShardVerification.Read(path);
        PageChecksum.Insert(path);
        Assert.Equal(expected, ShardVerification.Read(path));

        using var shard = TokenShard.Open(path);
        SetByte(path, shard.Footer.Chunks[0].Start + shard.Footer.Chunks[0].StoredBytes - 10, 0x77);
        var error = Assert.Throws<InvalidDataException>(() => ShardVerification.Read(path));
        Assert.Contains("row group 0: column input_ids/list/element: chunk at byte 4: ", error.Message, StringComparison.Ordinal);
        Assert.Contains("checksum", error.Message, StringComparison.OrdinalIgnoreCase);
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

    /// <summary>Damages one byte after the other, reads everything, and yields what was found, or null where the file was refused.</summary>
    private async IAsyncEnumerable<ShardVerification?> ReadDamagedAsync(byte[] content)
    {
        var path = _folder.File("flipped.parquet");
        await File.WriteAllBytesAsync(path, content);
        ShardVerification.Read(path);
        var step = Math.Max(1, content.Length / 1500);
        for (var position = 0; position < content.Length; position += step)
        {
            var flip = position / step % 3 == 0 ? 0xFF : 1 << (position % 8);
            SetByte(path, position, (byte)(content[position] ^ flip));
            yield return ReadOrRefuse(path, position);
            SetByte(path, position, content[position]);
        }
    }

    private static ShardVerification? ReadOrRefuse(string path, int position)
    {
        var allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            return ShardVerification.Read(path);
        }
        catch (InvalidDataException exception)
        {
            Assert.StartsWith(path + ": ", exception.Message, StringComparison.Ordinal);
            return null;
        }
        finally
        {
            var allocated = GC.GetAllocatedBytesForCurrentThread() - allocatedBefore;
            Assert.True(allocated < LargestAllocation, $"{allocated} bytes of memory taken after damage at byte {position}");
        }
    }

    private static void HideChecksums(string path)
    {
        var content = File.ReadAllBytes(path);
        var key = System.Text.Encoding.ASCII.GetBytes(TokenShard.ChecksumsKey);
        content.AsSpan(content.AsSpan().IndexOf(key), key.Length).Fill((byte)'x');
        File.WriteAllBytes(path, content);
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
        var error = Assert.Throws<InvalidDataException>(() => TokenShard.Open(path));
        Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }
}
