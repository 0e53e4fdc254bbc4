using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using KvShiftScale.Checkpoints.Safetensors;
using KvShiftScale.Testing;

namespace KvShiftScale.Checkpoints.Tests.Safetensors;

public sealed class SafetensorsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string File1 => _folder.PathOf("model.safetensors");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void BytesAreThoseOfTheFormat()
    {
        using (var writer = new SafetensorsWriter(
            File1,
            [new SafetensorsEntry("b", SafetensorsType.BF16, [3]), new SafetensorsEntry("a", SafetensorsType.F32, [1, 2])],
            new Dictionary<string, string> { ["format"] = "pt" }))
        {
            Assert.Equal(["a", "b"], writer.Entries.Select(entry => entry.Name));
            writer.Write("a", MemoryMarshal.AsBytes<float>([1f, -2f]));
            writer.Write("b", [1, 2, 3, 4, 5, 6]);
            writer.Complete();
        }

        const string header =
            """{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}""" +
            ""","b":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]}}""";
        var padding = new string(' ', (8 - (header.Length % 8)) % 8);
        var expected = new List<byte>();
        expected.AddRange(BitConverter.GetBytes((long)header.Length + padding.Length));
        expected.AddRange(Encoding.ASCII.GetBytes(header + padding));
        expected.AddRange([0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0, 1, 2, 3, 4, 5, 6]);
        Assert.Equal(expected, File.ReadAllBytes(File1));
    }

    [Fact]
    public void EveryTypeAndShapeReadsBackWholeAndInPieces()
    {
        var entries = Enum.GetValues<SafetensorsType>().Select(type => new SafetensorsEntry($"t.{type}", type, [3, 5]))
            .Append(new SafetensorsEntry("scalar", SafetensorsType.F64, []))
            .Append(new SafetensorsEntry("empty", SafetensorsType.F32, [4, 0]))
            .Append(new SafetensorsEntry("näme \"quoted\"", SafetensorsType.U8, [1]))
            .ToArray();
        var contents = entries.ToDictionary(entry => entry.Name, entry => RandomBytes(entry.ByteCount));
        using (var writer = new SafetensorsWriter(File1, entries))
        {
            foreach (var entry in writer.Entries)
            {
                // In two pieces, the first odd.
                var cut = (int)Math.Min(7, entry.ByteCount);
                writer.Write(entry.Name, contents[entry.Name].AsSpan(0, cut));
                writer.Write(entry.Name, contents[entry.Name].AsSpan(cut));
            }

            writer.Complete();
        }

        using var reader = SafetensorsReader.Open(File1);
        Assert.Equal(entries.Length, reader.Entries.Count);
        Assert.Empty(reader.Metadata);
        foreach (var entry in entries)
        {
            var read = reader.Entry(entry.Name);
            Assert.Equal(entry.Type, read.Type);
            Assert.Equal(entry.Shape, read.Shape);
            var bytes = new byte[entry.ByteCount];
            reader.Read(entry.Name, bytes);
            Assert.Equal(contents[entry.Name], bytes);
            if (bytes.Length > 4)
            {
                var piece = new byte[2];
                reader.Read(entry.Name, piece, offset: 3);
                Assert.Equal(contents[entry.Name][3..5], piece);
            }
        }

        Assert.True(reader.Contains("scalar"));
        Assert.Throws<ArgumentOutOfRangeException>(() => reader.Read("scalar", new byte[8], offset: 1));
        var missing = Assert.Throws<InvalidDataException>(() => reader.Entry("other"));
        Assert.Contains("'other'", missing.Message);
        Assert.Contains(File1, missing.Message);
    }

    [Fact]
    public void EveryTensorStartsAtAMultipleOfItsElementSize()
    {
        SafetensorsEntry[] entries =
        [
            new("a", SafetensorsType.U8, [3]), new("b", SafetensorsType.F64, [1]), new("c", SafetensorsType.F16, [3]),
            new("d", SafetensorsType.F32, [1]),
        ];
        using var writer = new SafetensorsWriter(File1, entries);

        var offset = 0L;
        foreach (var entry in writer.Entries)
        {
            Assert.Equal(0, offset % entry.ElementByteCount);
            offset += entry.ByteCount;
        }

        Assert.Equal(["b", "d", "c", "a"], writer.Entries.Select(entry => entry.Name));
    }

    [Fact]
    public void WriterRefusesBytesOutOfOrderOrNumber()
    {
        using var writer = new SafetensorsWriter(
            File1, [new SafetensorsEntry("a", SafetensorsType.U8, [4]), new SafetensorsEntry("b", SafetensorsType.U8, [2])]);

        Assert.Contains("'a' is due", Assert.Throws<InvalidOperationException>(() => writer.Write("b", [1])).Message);
        Assert.Contains("1 bytes more", Assert.Throws<InvalidOperationException>(() => writer.Write("a", [1, 2, 3, 4, 5])).Message);
        writer.Write("a", [1, 2, 3, 4]);
        Assert.Contains("'b' (U8 [2]) lacks 2 bytes", Assert.Throws<InvalidOperationException>(writer.Complete).Message);
        writer.Write("b", [5, 6]);
        Assert.Contains("no tensor is due", Assert.Throws<InvalidOperationException>(() => writer.Write("b", [7])).Message);
        writer.Complete();
    }

    [Theory]
    [InlineData("a", "a", 1)]
    [InlineData("a", "__metadata__", 1)]
    [InlineData("a", "b", -1)]
    public void WriterRefusesEntriesThatNoReaderTakes(string first, string second, long extent) =>
        Assert.Throws<ArgumentException>(() => new SafetensorsWriter(
            File1, [new SafetensorsEntry(first, SafetensorsType.U8, [1]), new SafetensorsEntry(second, SafetensorsType.U8, [extent])]));

    [Theory]
    [InlineData("""[]""", 0, "object is wanted")]
    [InlineData("""{"a":""", 0, "not JSON")]
    [InlineData("""{"a":5}""", 0, "tensor 'a' lacks")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1]}}""", 4, "tensor 'a' lacks")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "tensor 'a' lacks")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""", 4, "tensor 'a' lacks")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}""", 4, "tensor 'a' lacks")]
    [InlineData("""{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,4]}}""", 4, "'F4', which is not supported")]
    [InlineData("""{"a":{"dtype":"1","shape":[1],"data_offsets":[0,4]}}""", 4, "'1', which is not supported")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "F32 [2], 8 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "data_offsets are [4, 0]")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 3, "tensor 'a' ends at byte 4")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 5, "1 bytes behind the last tensor")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "leaves a gap")]
    [InlineData(
        """{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}""",
        6, "'b' begins at byte 2 of the data and overlaps")]
    [InlineData(
        """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""",
        2, "'a' stands twice")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}""", 0, "more bytes than 64 bits count")]
    [InlineData("""{"a":{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}}""", 4, "'a' ends at byte")]
    [InlineData("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[9223372036854775805,9223372036854775807]}}""", 2, "'a' ends at byte")]
    [InlineData("""{"\ud800":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}""", 0, "not Unicode")]
    [InlineData("""{"__metadata__":{"k":1}}""", 0, "'k' stands twice or is not text")]
    [InlineData("""{"__metadata__":[]}""", 0, "object of texts is wanted")]
    public void DamagedHeaderIsNamed(string header, int dataByteCount, string fault)
    {
        var json = Encoding.UTF8.GetBytes(header);
        File.WriteAllBytes(File1, [.. BitConverter.GetBytes((long)json.Length), .. json, .. new byte[dataByteCount]]);

        var error = Assert.Throws<InvalidDataException>(() => SafetensorsReader.Open(File1).Dispose());

        Assert.StartsWith(File1, error.Message);
        Assert.Contains(fault, error.Message);
    }

    [Theory]
    [InlineData(new byte[0])]
    [InlineData(new byte[] { 1, 2, 3 })]
    [InlineData(new byte[] { 3, 0, 0, 0, 0, 0, 0, 0, (byte)'{', (byte)'}' })]
    [InlineData(new byte[] { 255, 255, 255, 255, 255, 255, 255, 255, (byte)'{', (byte)'}' })]
    [InlineData(new byte[] { 255, 255, 255, 255, 255, 255, 255, 127, (byte)'{', (byte)'}' })]
    public void HeaderLengthThatTheFileCannotHoldIsRefused(byte[] content)
    {
        File.WriteAllBytes(File1, content);

        Assert.StartsWith(File1, Assert.Throws<InvalidDataException>(() => SafetensorsReader.Open(File1).Dispose()).Message);
    }

    [Fact]
    public void FileCutAnywhereIsRefused()
    {
        using (var writer = new SafetensorsWriter(File1, [new SafetensorsEntry("a", SafetensorsType.F32, [3])]))
        {
            writer.Write("a", new byte[12]);
            writer.Complete();
        }

        var whole = File.ReadAllBytes(File1);
        for (var length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(File1, whole[..length]);
            Assert.Throws<InvalidDataException>(() => SafetensorsReader.Open(File1).Dispose());
        }
    }

    [Fact]
    public void RandomDamageNeverEscapesAsAnotherException()
    {
        using (var writer = new SafetensorsWriter(
            File1, [new SafetensorsEntry("a", SafetensorsType.F32, [3]), new SafetensorsEntry("b", SafetensorsType.I64, [2, 2])]))
        {
            writer.Write("b", new byte[32]);
            writer.Write("a", new byte[12]);
            writer.Complete();
        }

        var whole = File.ReadAllBytes(File1);
        var headerEnd = 8 + (int)BinaryPrimitives.ReadInt64LittleEndian(whole);
        var random = new Random(11);
        var refused = 0;
        for (var round = 0; round < 500; round++)
        {
            var damaged = (byte[])whole.Clone();
            for (var flips = random.Next(1, 4); flips > 0; flips--)
            {
                damaged[random.Next(headerEnd)] = (byte)random.Next(256);
            }

            File.WriteAllBytes(File1, damaged);
            try
            {
                SafetensorsReader.Open(File1).Dispose();
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }

        Assert.InRange(refused, 250, 500);
    }

    private static byte[] RandomBytes(long count)
    {
        var bytes = new byte[count];
        new Random((int)count).NextBytes(bytes);
        return bytes;
    }
}
