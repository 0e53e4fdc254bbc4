using System.Buffers.Binary;
using System.IO.Compression;
using Parquet;
using Parquet.Schema;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>What the writer puts into a file, and what it refuses.</summary>
public sealed class ParquetWriterTests
{
    [Fact]
    public async Task Statistics_and_metadata_stand_in_the_footer()
    {
        var element = new DataField<int>("element", nullable: false);
        var keys = new Dictionary<string, string> { ["kvshift.tokenizer"] = "abc", ["kvshift.vocab_size"] = "4096" };
        var stream = new MemoryStream();
        await using (var writer = await ParquetWriter.CreateAsync(new ParquetSchema(new ListField("input_ids", element)), stream))
        {
            writer.CustomMetadata = keys;
            using var group = writer.CreateRowGroup();

            // [5, -3], null, [], [70000]: three values in five slots.
            await group.WriteAllPartsAsync<int>(
                element, new[] { 5, -3, 70_000 }, new[] { 2, 2, 0, 1, 2 }, new[] { 0, 1, 0, 0, 0 }, CancellationToken.None);
        }

        await using var reader = await ParquetReader.CreateAsync(stream);
        Assert.Equal(keys, reader.CustomMetadata);
        Assert.Equal("KvShiftScale compat", reader.Metadata!.CreatedBy);
        Assert.Equal(4, reader.Metadata.NumRows);
        var chunk = reader.OpenRowGroupReader(0).GetMetadata(element)!.MetaData!;
        Assert.Equal(5, chunk.NumValues);
        Assert.Equal(["input_ids", "list", "element"], chunk.PathInSchema);
        Assert.Equal(2, chunk.Statistics!.NullCount);
        Assert.Equal(-3, BinaryPrimitives.ReadInt32LittleEndian(chunk.Statistics.MinValue));
        Assert.Equal(70_000, BinaryPrimitives.ReadInt32LittleEndian(chunk.Statistics.MaxValue));
        Assert.Equal(4 + chunk.TotalCompressedSize, stream.Length - 8 - FooterLength(stream));
    }

    [Fact]
    public async Task Unsigned_columns_have_unsigned_bounds()
    {
        var field = new DataField<uint>("hash");
        var stream = await WriteAsync(field, [uint.MaxValue, 1u]);
        await using var reader = await ParquetReader.CreateAsync(stream);
        var statistics = reader.Metadata!.RowGroups[0].Columns[0].MetaData!.Statistics!;
        Assert.Equal(1u, BinaryPrimitives.ReadUInt32LittleEndian(statistics.MinValue));
        Assert.Equal(uint.MaxValue, BinaryPrimitives.ReadUInt32LittleEndian(statistics.MaxValue));
    }

    [Fact]
    public async Task The_page_checksum_is_the_crc_of_gzip()
    {
        int[] values = [.. Enumerable.Range(0, 1003).Select(i => i * 7919)];
        var stream = await WriteAsync(new DataField<int>("value"), values);
        var file = stream.ToArray();

        // The page header begins with four i32 fields (0x15 each): type, uncompressed size, stored size, checksum.
        var position = 4;
        var fields = Enumerable.Range(0, 4).Select(_ => ReadField(file, ref position)).ToArray();
        Assert.Equal([0, values.Length * 4, values.Length * 4], fields[..3]);
        var page = file.AsSpan(file.Length - 8 - FooterLength(stream) - (values.Length * 4), values.Length * 4);
        Assert.Equal(values[1], BinaryPrimitives.ReadInt32LittleEndian(page[4..]));

        // A gzip member closes with the checksum and the size of what it holds.
        var zipped = new MemoryStream();
        using (var gzip = new GZipStream(zipped, CompressionMode.Compress, leaveOpen: true))
        {
            gzip.Write(page);
        }

        Assert.Equal(BinaryPrimitives.ReadInt32LittleEndian(zipped.ToArray().AsSpan((int)zipped.Length - 8)), fields[3]);
    }

    [Fact]
    public async Task A_large_chunk_has_a_page_about_every_mebibyte()
    {
        var stream = await WriteAsync(new DataField<int>("value"), new int[1_000_000]);
        var file = stream.ToArray();
        var sizes = new List<int>();
        for (var position = 4; position < file.Length - 8 - FooterLength(stream);)
        {
            ReadField(file, ref position);
            sizes.Add(ReadField(file, ref position));
            var stored = ReadField(file, ref position);
            ReadField(file, ref position);
            position = SkipDataPageHeader(file, position) + stored;
        }

        // 4,000,000 bytes: three pages of 2^20 and the rest.
        Assert.Equal([1 << 20, 1 << 20, 1 << 20, 854_272], sizes);
    }

    [Fact]
    public async Task A_dictionary_that_would_not_pay_is_not_written()
    {
        var options = new ParquetOptions { CompressionMethod = CompressionMethod.None };
        options.ColumnEncodingHints["value"] = EncodingHint.Dictionary;
        var stream = await WriteAsync(new DataField<int>("value"), [.. Enumerable.Range(0, 300_000)], options);
        await using var reader = await ParquetReader.CreateAsync(stream);
        var chunk = reader.Metadata!.RowGroups[0].Columns[0].MetaData!;
        Assert.Null(chunk.DictionaryPageOffset);
        Assert.InRange(chunk.TotalCompressedSize, 1_200_000, 1_201_000);
    }

    [Fact]
    public async Task Columns_come_in_the_order_of_the_schema_and_have_equal_rows()
    {
        var (first, second) = (new DataField<int>("first"), new DataField<int>("second"));
        var stream = new MemoryStream();
        await using var writer = await ParquetWriter.CreateAsync(new ParquetSchema(first, second), stream);
        using var group = writer.CreateRowGroup();
        await Assert.ThrowsAsync<ArgumentException>(() => group.WriteAsync<int>(second, new int[1].AsMemory()));
        await group.WriteAsync<int>(first, new int[2].AsMemory());
        Assert.Contains("second", Assert.Throws<InvalidOperationException>(group.CompleteValidate).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<InvalidOperationException>(() => group.WriteAsync<int>(second, new int[3].AsMemory()));
        await group.WriteAsync<int>(second, new int[2].AsMemory());
        group.CompleteValidate();
        await Assert.ThrowsAsync<InvalidOperationException>(() => group.WriteAsync<int>(second, new int[2].AsMemory()));
        Assert.Throws<InvalidOperationException>(writer.CreateRowGroup);
    }

    [Fact]
    public async Task Values_and_levels_must_fit_the_column()
    {
        var element = new DataField<int>("element");
        var stream = new MemoryStream();
        await using var writer = await ParquetWriter.CreateAsync(new ParquetSchema(new ListField("input_ids", element)), stream);
        using var group = writer.CreateRowGroup();
        Task Write(int[] values, int[] definitions, int[] repetitions)
            => group.WriteAllPartsAsync<int>(element, values, definitions, repetitions, CancellationToken.None);

        await Assert.ThrowsAsync<ArgumentException>(() => Write([1, 2], [2], [0]));
        await Assert.ThrowsAsync<ArgumentException>(() => Write([1], [3], [0]));
        await Assert.ThrowsAsync<ArgumentException>(() => Write([1], [2], [1]));
        await Assert.ThrowsAsync<ArgumentException>(() => Write([1], [2], []));
        await Assert.ThrowsAsync<ArgumentException>(() => Write([1, 2], [2, 2], [0, 2]));
        await Assert.ThrowsAsync<ArgumentException>(
            () => group.WriteAllPartsAsync<long>(element, new long[1], new[] { 2 }, new[] { 0 }, CancellationToken.None));
        await Assert.ThrowsAsync<InvalidOperationException>(() => group.WriteAsync<int>(element, new[] { 1 }.AsMemory(), new[] { 0 }));
    }

    [Fact]
    public async Task A_null_in_a_required_column_is_refused()
    {
        var field = new DataField<string>("id", nullable: false);
        await using var writer = await ParquetWriter.CreateAsync(new ParquetSchema(field), new MemoryStream());
        using var group = writer.CreateRowGroup();
        await Assert.ThrowsAsync<InvalidOperationException>(() => group.WriteAsync(field, new string?[] { "a", null }));
    }

    [Fact]
    public async Task A_file_whose_row_group_was_given_up_stays_unreadable()
    {
        var (first, second) = (new DataField<int>("first"), new DataField<int>("second"));
        var stream = new MemoryStream();
        await using (var writer = await ParquetWriter.CreateAsync(new ParquetSchema(first, second), stream))
        {
            using var group = writer.CreateRowGroup();
            await group.WriteAsync<int>(first, new int[2].AsMemory());
        }

        await Assert.ThrowsAsync<ParquetException>(() => ParquetReader.CreateAsync(stream));
    }

    [Fact]
    public async Task Methods_that_others_cannot_read_are_refused()
    {
        var schema = new ParquetSchema(new DataField<int>("value"));
        foreach (var method in new[] { CompressionMethod.LZ4, CompressionMethod.Lzo })
        {
            await Assert.ThrowsAsync<NotSupportedException>(
                () => ParquetWriter.CreateAsync(schema, new MemoryStream(), new ParquetOptions { CompressionMethod = method }));
        }

        await Assert.ThrowsAsync<NotSupportedException>(() => ParquetWriter.CreateAsync(schema, new MemoryStream(), append: true));
    }

    private static async Task<MemoryStream> WriteAsync<T>(DataField<T> field, T[] values, ParquetOptions? options = null)
        where T : struct
    {
        var stream = new MemoryStream();
        options ??= new ParquetOptions { CompressionMethod = CompressionMethod.None };
        await using var writer = await ParquetWriter.CreateAsync(new ParquetSchema(field), stream, options);
        using var group = writer.CreateRowGroup();
        await group.WriteAsync<T>(field, values.AsMemory());
        return stream;
    }

    private static int FooterLength(MemoryStream stream)
        => BinaryPrimitives.ReadInt32LittleEndian(stream.ToArray().AsSpan((int)stream.Length - 8));

    // An i32 field of the Thrift compact protocol whose id is one above the last: 0x15, then a zigzag varint.
    private static int ReadField(byte[] file, ref int position)
    {
        Assert.Equal(0x15, file[position++]);
        var raw = 0u;
        for (var shift = 0; ; shift += 7)
        {
            var next = file[position++];
            raw |= (uint)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return (int)(raw >> 1) ^ -(int)(raw & 1);
            }
        }
    }

    // Field 5, a struct (0x1C after field 4): four i32 fields and a stop; then the stop of the page header.
    private static int SkipDataPageHeader(byte[] file, int position)
    {
        Assert.Equal(0x1C, file[position++]);
        for (var i = 0; i < 4; i++)
        {
            ReadField(file, ref position);
        }

        Assert.Equal([0, 0], file[position..(position + 2)]);
        return position + 2;
    }
}
