using KvShiftScale.Data.Shards;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>Footers that are well-formed Thrift and would do harm, or say what is not supported: refused before the package sees them.</summary>
public sealed class FooterFenceTests : IDisposable
{
    private const int Optional = 1;
    private const int Repeated = 2;
    private const int Int32Type = 1;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(100)]
    [InlineData(100_000)]
    public void ADeepSchemaIsRefused(int levels)
    {
        // The package follows schemas by recursion, which ends the process when the stack does.
        ThriftBytes[] schema = [.. Enumerable.Range(0, levels).Select(i => Node($"n{i}", children: 1)), Node("leaf", type: Int32Type)];
        AssertRefused(File(schema, [RowGroup([Chunk()])]), "a schema of more than 64 levels");
    }

    [Theory]
    [InlineData(2, "names more")]
    [InlineData(int.MaxValue, "names more")]
    [InlineData(0, "of which 1 hang together")]
    [InlineData(-1, "-1 children")]
    public void ASchemaThatDoesNotAddUpIsRefused(int children, string expected)
        => AssertRefused(File([Node("root", children: children), Node("leaf", type: Int32Type)], [RowGroup([Chunk()])]), expected);

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void AListLongerThanTheFooterIsRefused(int field)
    {
        // A million row groups would be set aside for before the first is read.
        var root = Node("root", children: 0);
        var footer = field == 2
            ? new ThriftBytes().Int32(1, 1).Structs(2, 1_000_000, root)
            : new ThriftBytes().Int32(1, 1).Structs(2, 1, root).Int64(3, 0).Structs(4, 1_000_000);
        AssertRefused(footer, "1000000 elements announced with");
    }

    [Fact]
    public void AListOfColumnsLongerThanTheFooterIsRefused()
        => AssertRefused(File(Schema, [new ThriftBytes().Structs(1, 1_000_000, Chunk()).Int64(2, 0).Int64(3, 1)]), "1000000 elements announced with");

    [Fact]
    public void RowGroupsOfAnotherShapeThanTheSchemaAreRefused()
    {
        AssertRefused(File(Schema, [RowGroup([Chunk(), Chunk()])]), "row group 0 with 2 columns and 1 rows, where the schema has 1 columns");
        AssertRefused(File(Schema, [RowGroup([Chunk()], rows: -1)]), "row group 0 with 1 columns and -1 rows");
        AssertRefused(File(Schema, [RowGroup([Chunk()])], rows: 7), "7 rows stated where the row groups have 1");
    }

    [Fact]
    public void AnEncryptedFooterIsRefusedByName()
        => AssertRefused(new ThriftBytes().Int32(1, 1).Structs(2, 1, Node("root", children: 0)).Int64(3, 0).Structs(4, 0).Struct(8, new ThriftBytes()), "encrypted");

    [Fact]
    public void WhatIsNotSupportedIsRefusedByName()
    {
        AssertRefusedInGroup(Chunk(otherFile: "part-2.parquet"), "its pages are in another file, part-2.parquet");
        AssertRefusedInGroup(Chunk(isEncrypted: true), "it is encrypted");
        AssertRefusedInGroup(Chunk(codec: 3), "codec Lzo is not supported");
        AssertRefusedInGroup(Chunk(codec: 99), "codec 99 is not supported");
        AssertRefusedInGroup(Chunk(values: (1 << 28) + 1), "row groups are decoded whole, up to 268435456 values");
        AssertRefusedInGroup(Chunk(bytes: 1L << 31), "its pages have 2147483648 bytes; those of a row group are read at once, up to 2147483591 bytes", gap: 1L << 31);
    }

    [Fact]
    public void ChunksThatContradictTheirSurroundingsAreRefused()
    {
        AssertRefusedInGroup(Chunk(start: 1 << 20), "pages lie before the footer");
        AssertRefusedInGroup(Chunk(start: -5), "pages lie before the footer");
        AssertRefusedInGroup(Chunk(bytes: long.MaxValue), "pages lie before the footer");
        AssertRefusedInGroup(Chunk(bytes: -1), "pages lie before the footer");
        AssertRefusedInGroup(Chunk(bytes: 0), "pages lie before the footer");
        AssertRefusedInGroup(Chunk(values: 0), "a row has at least one value");
        AssertRefusedInGroup(Chunk(type: 2), "the footer states type 2 for it, the schema Int32");
    }

    [Fact]
    public void AWholeFileMadeThisWayIsRead()
    {
        // So that the refusals above are for what they say. 01 00 00 00 are the levels: a run of two zeros would be 04 00.
        AssertRefusedInGroup(Chunk(), "page 0 at byte 4");
        Assert.Equal(new RowGroupCounts(1, 1), Open(File(Schema, [RowGroup([Chunk(nulls: 0)])], createdBy: "DuckDB version 1")).Counts(0));
    }

    private static ThriftBytes[] Schema =>
    [
        Node("root", children: 1), Node("input_ids", Optional, children: 1), Node("list", Repeated, children: 1), Node("element", 0, Int32Type),
    ];

    private static ThriftBytes Node(string name, int? repetition = null, int? type = null, int? children = null)
    {
        var node = new ThriftBytes();
        node = type is { } number ? node.Int32(1, number) : node;
        node = node.Int32(3, repetition ?? 0).Text(4, name);
        return children is { } count ? node.Int32(5, count) : node;
    }

    private static ThriftBytes Chunk(
        long values = 1, long start = 4, long bytes = 4, int codec = 0, int type = Int32Type, string? otherFile = null, bool isEncrypted = false, long nulls = -1)
    {
        var metadata = new ThriftBytes().Int32(1, type).Structs(2, 0).Structs(3, 0).Int32(4, codec).Int64(5, values).Int64(6, bytes).Int64(7, bytes).Int64(9, start);
        metadata = nulls >= 0 ? metadata.Struct(12, new ThriftBytes().Int64(3, nulls)) : metadata;
        var chunk = new ThriftBytes();
        chunk = otherFile is null ? chunk : chunk.Text(1, otherFile);
        chunk = chunk.Int64(2, 0).Struct(3, metadata);
        return isEncrypted ? chunk.Struct(8, new ThriftBytes()) : chunk;
    }

    private static ThriftBytes RowGroup(ThriftBytes[] chunks, long rows = 1)
        => new ThriftBytes().Structs(1, chunks.Length, chunks).Int64(2, 0).Int64(3, rows);

    private static ThriftBytes File(ThriftBytes[] schema, ThriftBytes[] groups, long? rows = null, string createdBy = "test")
        => new ThriftBytes().Int32(1, 1).Structs(2, schema.Length, schema).Int64(3, rows ?? groups.Length).Structs(4, groups.Length, groups).Text(6, createdBy);

    /// <param name="footer">The footer.</param>
    /// <param name="gap">Bytes before it that are on no disk.</param>
    private TokenShard Open(ThriftBytes footer, long gap = 0)
    {
        var path = _folder.File("made.parquet");
        var bytes = footer.Closed;

        // Two page headers that are none, and the footer.
        using (var file = System.IO.File.Create(path))
        {
            file.Write([.. "PAR1"u8, 0x15, 0, 0, 0]);
            file.Position += gap;
            file.Write([.. bytes, .. BitConverter.GetBytes(bytes.Length), .. "PAR1"u8]);
        }

        return TokenShard.Open(path);
    }

    private void AssertRefused(ThriftBytes footer, string expected)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var error = Assert.Throws<InvalidDataException>(() => Open(footer).Dispose());
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64 << 20);
        Assert.StartsWith(_folder.File("made.parquet") + ": ", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("ParquetSharp", error.InnerException?.GetType().Namespace ?? "", StringComparison.Ordinal);
    }

    private void AssertRefusedInGroup(ThriftBytes chunk, string expected, long gap = 0)
    {
        using var shard = Open(File(Schema, [RowGroup([chunk])]), gap);
        var error = Assert.Throws<InvalidDataException>(() => shard.ReadRowGroup(0));
        Assert.StartsWith(_folder.File("made.parquet") + ": row group 0: column input_ids/list/element: chunk at byte ", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }
}
