using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tests.Shards;
using Parquet;
using Parquet.Schema;
using ParquetSharp;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>Files whose parts are each well formed but contradict one another: made from good files by changing a few bytes.</summary>
public sealed class ContradictoryFileTests : IDisposable
{
    private readonly ShardFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void LevelsMustBeginAsManyRowsAsTheGroupHas()
    {
        // 100 is C8 01 as a zigzag varint; it stands in the footer as rows of the file and rows of the group. 99 is C6 01, 101 is CA 01.
        var file = Tokens(CompressionMethod.Zstd);
        AssertRefused(Replace(file, [0x16, 0xC8, 0x01], [0x16, 0xC6, 0x01], times: 2), "its pages hold more documents than the 99 of the footer");
        AssertRefused(Replace(file, [0x16, 0xC8, 0x01], [0x16, 0xCA, 0x01], times: 2), "its pages hold 100 documents, the footer states 101");
    }

    [Fact]
    public void LevelsMustNotExceedWhatTheSchemaAllows()
    {
        // The list (name: 0x18, length 9) becomes required (0) instead of optional (1), so that its highest level is 1.
        var name = "\u0018\u0009input_ids"u8.ToArray();
        AssertRefused(Replace(Tokens(CompressionMethod.Zstd), [0x35, 0x02, .. name], [0x35, 0x00, .. name], times: 1), "row group 0");
    }

    [Theory]
    [InlineData(16, "document 0: token 1 is 70000, beyond the column's type")]
    [InlineData(8, "document 0: token 1 is 70000, beyond the column's type")]
    public void NumbersMustFitTheWidthThatTheSchemaStates(byte bits, string expected)
    {
        var column = new ListField("input_ids", new DataField<uint>("element", nullable: false));
        var path = _folder.WriteForeign<uint>("wide.parquet", column, [1, 70_000], [2, 2], [0, 1]);

        // Integer annotation: 0x13 bit width, 0x12 unsigned; and the older one, of which 13 stands for 32 bits.
        var file = Replace(File.ReadAllBytes(path), [0x13, 32, 0x12], [0x13, bits, 0x12], times: 1);
        file = Replace(file, [0x25, 0x1A], [0x25, (byte)(bits == 16 ? 0x18 : 0x16)], times: 1);
        AssertRefused(file, expected);
    }

    [Fact]
    public void UnsignedIdsBeyondInt32AreNamedAsTheyAre()
    {
        var column = new ListField("input_ids", new DataField<uint>("element", nullable: false));
        var small = _folder.WriteForeign<uint>("uint.parquet", column, [1, 2, uint.MaxValue], [2, 2, 2], [0, 0, 1]);
        AssertRefused(File.ReadAllBytes(small), "document 1: token 1 is 4294967295, beyond int32");

        var wide = new ListField("input_ids", new DataField<ulong>("element", nullable: false));
        var large = _folder.WriteForeign<ulong>("ulong.parquet", wide, [1, ulong.MaxValue], [2, 2], [0, 1]);
        AssertRefused(File.ReadAllBytes(large), "document 0: token 1 is 18446744073709551615, beyond int32");
    }

    [Fact]
    public void ChecksumsMustMatchTheRowGroups()
    {
        var path = _folder.PathOf("a.parquet");
        File.WriteAllBytes(path, Tokens(CompressionMethod.Zstd));
        using (var reader = new ParquetFileReader(path))
        {
            var text = reader.FileMetaData.KeyValueMetadata[TokenShard.ChecksumsKey];
            var changed = Replace(File.ReadAllBytes(path), System.Text.Encoding.ASCII.GetBytes(text), "not hexa"u8.ToArray(), times: 1);
            File.WriteAllBytes(path, changed);
        }

        var error = Assert.Throws<InvalidDataException>(() => TokenShard.Open(path));
        Assert.StartsWith($"{path}: file metadata kvshift.row_group_crc32c has 8 characters", error.Message, StringComparison.Ordinal);
    }

    private byte[] Tokens(CompressionMethod method)
        => File.ReadAllBytes(_folder.Write("good.parquet", [.. Enumerable.Repeat(Enumerable.Range(0, 20).ToArray(), 100)],
            options: ShardFolder.Options() with { Compression = method, Encoding = EncodingHint.Default }));

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

    private void AssertRefused(byte[] content, string expected)
    {
        var path = _folder.PathOf("changed.parquet");
        File.WriteAllBytes(path, content);

        // Reading does not leave its thread, so that what it allocates can be counted.
        var allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
        var error = Assert.Throws<InvalidDataException>(() => ShardVerification.Read(path));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - allocatedBefore, 0, 16 << 20);
        Assert.StartsWith($"{path}: row group 0: column input_ids/list/element: chunk at byte 4: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }
}
