using System.Buffers.Binary;
using System.Diagnostics;
using KvShiftScale.Data.Shards;
using Parquet;
using Parquet.Schema;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>What reading takes: nothing for one row group after another, and no more than a file can show it needs.</summary>
[Collection(nameof(ReadingAlone))]
public sealed class MemoryBoundTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(CompressionMethod.None, EncodingHint.Default)]
    [InlineData(CompressionMethod.Zstd, EncodingHint.Default)]
    [InlineData(CompressionMethod.Zstd, EncodingHint.DeltaBinaryPacked)]
    [InlineData(CompressionMethod.Gzip, EncodingHint.DeltaBinaryPacked)]
    [InlineData(CompressionMethod.Snappy, EncodingHint.DeltaBinaryPacked)]
    [InlineData(CompressionMethod.Lz4Raw, EncodingHint.Default)]
    public void RowGroupsAfterTheFirstAllocateAFewHandles(CompressionMethod compression, EncodingHint encoding)
    {
        using var shard = TokenShard.Open(WriteOwn(compression, encoding));
        AssertOnlyHandlesAllocated(shard);
    }

    [Fact]
    public void ForeignLongsTakeNoMoreThanThat()
    {
        using var matrix = new ForeignMatrix();
        using var shard = TokenShard.Open(matrix.PathOf("arrow-v2-dictionary-bigint-zstd"));
        AssertOnlyHandlesAllocated(shard);
    }

    [Fact]
    public void TheMemoryOfDecodingIsReported()
    {
        // A page a row group: stored, and decompressed; then the ids and the start of each document, 4 bytes each. Batches of levels beside.
        var path = WriteOwn(CompressionMethod.Zstd, EncodingHint.Default);
        var inspection = ShardInspection.Read(path);
        var largest = inspection.RowGroups.Max(group => (8L * group.Tokens) + (4 * (group.Documents + 1)));
        Assert.InRange(inspection.PeakDecodedBytes, largest, largest + new FileInfo(path).Length + (1 << 18));
    }

    [Fact]
    public void NativeMemoryIsGivenBack()
    {
        using var shard = TokenShard.Open(WriteOwn(CompressionMethod.Zstd, EncodingHint.DeltaBinaryPacked));
        var group = new DocumentGroup();
        ReadAll(shard, group);
        var pool = ParquetSharp.MemoryPool.GetDefaultMemoryPool();
        var before = pool.BytesAllocated;
        for (var pass = 0; pass < 10; pass++)
        {
            ReadAll(shard, group);
        }

        Assert.Equal(before, pool.BytesAllocated);
    }

    [Fact]
    public void AFooterOfThirtyMegabytesTakesTimeAndMemoryInProportion()
    {
        // 100,000 row groups of one document; the rest of the footer is metadata that nobody asked for.
        var path = _folder.File("footer.parquet");
        WriteManyRowGroups(path, 100_000, new string('m', 20 << 20));
        var content = File.ReadAllBytes(path);
        var footerBytes = BinaryPrimitives.ReadInt32LittleEndian(content.AsSpan(content.Length - 8));
        Assert.InRange(footerBytes, 25 << 20, 60 << 20);

        // The footer itself, its text and some 250 bytes a row group. Others may hold the cores: the fastest of three counts.
        var seconds = double.PositiveInfinity;
        for (var attempt = 0; attempt < 3 && seconds > 10; attempt++)
        {
            var watch = Stopwatch.StartNew();
            var before = GC.GetAllocatedBytesForCurrentThread();
            OpenAndReadTheLast();
            seconds = Math.Min(seconds, watch.Elapsed.TotalSeconds);
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 10L * footerBytes);
        }

        Assert.InRange(seconds, 0, 10);

        void OpenAndReadTheLast()
        {
            using var shard = TokenShard.Open(path);
            Assert.Equal(100_000, shard.RowGroupCount);
            Assert.Equal(new RowGroupCounts(1, 1), shard.Counts(99_999));
            Assert.Equal([99_999], shard.ReadRowGroup(99_999).Ids.ToArray());
        }
    }

    [Theory]
    [InlineData(CompressionMethod.Zstd)]
    [InlineData(CompressionMethod.Gzip)]
    [InlineData(CompressionMethod.Brotli)]
    [InlineData(CompressionMethod.Snappy)]
    [InlineData(CompressionMethod.Lz4Raw)]
    public void EqualIdsThatCompressToAlmostNothingAreRead(CompressionMethod compression)
    {
        // Two million ids in a few kilobytes: more than a page gets on its word, and true.
        var path = _folder.File("equal.parquet");
        using (var writer = new TokenShardWriter(path, Options(compression, EncodingHint.Default) with { RowGroupTokens = 4 << 20 }))
        {
            writer.Append(new int[2_000_000]);
            writer.Append(new int[100_000]);
            writer.Complete();
        }

        Assert.Equal(2_100_000, ShardVerification.Read(path).Tokens);
    }

    [Fact]
    public void SlotsThatNoPageHasAreNotPaidFor()
    {
        // Two hundred million slots: the footer's count, one of 100 with two bytes, grows to five, and so does the footer's length. The page's
        // own count, in the same form, cannot follow.
        var path = WriteTokens(100);
        var content = File.ReadAllBytes(path);
        var footerStart = content.Length - 8 - BinaryPrimitives.ReadInt32LittleEndian(content.AsSpan(content.Length - 8));
        var count = footerStart + content.AsSpan(footerStart).IndexOf((byte[])[0x16, 0xC8, 0x01, 0x16]);
        byte[] changed = [.. content[..count], 0x16, 0x80, 0x88, 0xDE, 0xBE, 0x01, 0x16, .. content[(count + 4)..]];
        BinaryPrimitives.WriteInt32LittleEndian(changed.AsSpan(changed.Length - 8), content.Length - 8 - footerStart + 3);
        File.WriteAllBytes(path, changed);

        var before = GC.GetAllocatedBytesForCurrentThread();
        var error = Assert.Throws<InvalidDataException>(() => ShardVerification.Read(path));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 16 << 20);
        Assert.Contains("row group 0: column input_ids/list/element: ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void SlotsThatComeOutOfAFewBytesAreMadeRoomForAsTheyCome()
    {
        // Three million ids in some kilobytes, read into a group that has never held any.
        var path = _folder.File("equal.parquet");
        using (var writer = new TokenShardWriter(path, Options(CompressionMethod.Zstd, EncodingHint.DeltaBinaryPacked) with { RowGroupTokens = 4 << 20 }))
        {
            for (var document = 0; document < 3; document++)
            {
                writer.Append([.. Enumerable.Repeat(document, 1_000_000)]);
            }

            writer.Complete();
        }

        Assert.InRange(new FileInfo(path).Length, 0, 100_000);
        using var shard = TokenShard.Open(path);
        var group = shard.ReadRowGroup(0);
        Assert.Equal([0, 1_000_000, 2_000_000, 3_000_000], group.Offsets.ToArray());
        Assert.Equal(3_000_000, group.Ids.Length);
        Assert.All(Enumerable.Range(0, 3), document => Assert.Equal(-1, group.Document(document).IndexOfAnyExcept(document)));
    }

    private static void AssertOnlyHandlesAllocated(TokenShard shard)
    {
        Assert.True(shard.RowGroupCount > 1);
        var group = new DocumentGroup();
        ReadAll(shard, group);
        ReadAll(shard, group);

        var before = GC.GetAllocatedBytesForCurrentThread();
        ReadAll(shard, group);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1024L * shard.RowGroupCount);
    }

    private static void ReadAll(TokenShard shard, DocumentGroup group)
    {
        for (var index = 0; index < shard.RowGroupCount; index++)
        {
            shard.ReadRowGroup(index, group);
        }
    }

    private string WriteOwn(CompressionMethod compression, EncodingHint encoding)
    {
        var path = _folder.File("own.parquet");
        using var writer = new TokenShardWriter(path, Options(compression, encoding) with { RowGroupTokens = 5000 });
        foreach (var document in DocumentFormula.Documents(4000, mayBeNull: false))
        {
            writer.Append(document);
        }

        writer.Complete();
        return path;
    }

    private string WriteTokens(int count)
    {
        var path = _folder.File("tokens.parquet");
        using var writer = new TokenShardWriter(path, Options(CompressionMethod.Zstd, EncodingHint.Default));
        writer.Append([.. Enumerable.Range(0, count)]);
        writer.Complete();
        return path;
    }

    private static ShardWriterOptions Options(CompressionMethod compression, EncodingHint encoding)
        => new() { TokenizerHash = "none", VocabularySize = 5000, Compression = compression, Encoding = encoding };

    private static void WriteManyRowGroups(string path, int count, string metadata)
    {
        var element = new DataField<int>("element", nullable: false);
        using var file = File.Create(path);
        var writer = ParquetWriter.CreateAsync(
            new ParquetSchema(new ListField("input_ids", element)), file, new ParquetOptions { CompressionMethod = CompressionMethod.None })
            .GetAwaiter().GetResult();
        writer.CustomMetadata = new Dictionary<string, string> { ["filler"] = metadata };
        int[] id = [0], definition = [element.MaxDefinitionLevel], repetition = [0];
        for (var i = 0; i < count; i++)
        {
            id[0] = i;
            using var group = writer.CreateRowGroup();
            group.WriteAllPartsAsync<int>(element, id, definition, repetition, CancellationToken.None).GetAwaiter().GetResult();
        }

        writer.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }
}
