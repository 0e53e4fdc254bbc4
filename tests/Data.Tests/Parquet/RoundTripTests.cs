using System.IO.Compression;
using Parquet;
using Parquet.Meta;
using Parquet.Schema;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>What is written is read back, for every codec, encoding and type.</summary>
public sealed class RoundTripTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(CompressionMethod.None, EncodingHint.Default, Encoding.PLAIN)]
    [InlineData(CompressionMethod.None, EncodingHint.Dictionary, Encoding.RLE_DICTIONARY)]
    [InlineData(CompressionMethod.None, EncodingHint.DeltaBinaryPacked, Encoding.DELTA_BINARY_PACKED)]
    [InlineData(CompressionMethod.Snappy, EncodingHint.Default, Encoding.PLAIN)]
    [InlineData(CompressionMethod.Snappy, EncodingHint.Dictionary, Encoding.RLE_DICTIONARY)]
    [InlineData(CompressionMethod.Zstd, EncodingHint.Default, Encoding.PLAIN)]
    [InlineData(CompressionMethod.Zstd, EncodingHint.DeltaBinaryPacked, Encoding.DELTA_BINARY_PACKED)]
    [InlineData(CompressionMethod.Gzip, EncodingHint.Dictionary, Encoding.RLE_DICTIONARY)]
    [InlineData(CompressionMethod.Brotli, EncodingHint.Default, Encoding.PLAIN)]
    [InlineData(CompressionMethod.Lz4Raw, EncodingHint.Default, Encoding.PLAIN)]
    public async Task Lists_in_several_row_groups(CompressionMethod method, EncodingHint hint, Encoding encoding)
    {
        // A dictionary is written where ids come back.
        int[]?[] documents = [.. DocumentFormula.Documents(1000, mayBeNull: true)
            .Select(ids => hint == EncodingHint.Dictionary ? ids?.Select(id => id % 97).ToArray() : ids)];
        await RoundTripAsync<int>(documents, method, hint, encoding);
        await RoundTripAsync<long>(documents, method, hint, encoding);
        await RoundTripAsync<ushort>(documents, method, hint, encoding);
    }

    [Fact]
    public async Task A_dictionary_that_would_be_larger_than_the_values_is_not_written()
    {
        var path = _folder.File("distinct.parquet");
        int[]?[] documents = [[.. Enumerable.Range(0, 5000)]];
        await TokenColumn.WriteAsync<int>(path, documents, 1, Options(CompressionMethod.Zstd, EncodingHint.Dictionary));
        await using var reader = await ParquetReader.CreateAsync(path);
        var chunk = reader.Metadata!.RowGroups[0].Columns[0].MetaData!;
        Assert.Equal([Encoding.RLE, Encoding.PLAIN], chunk.Encodings);
        Assert.Null(chunk.DictionaryPageOffset);
        Assert.Equal(documents, await TokenColumn.ReadAsync(reader));
    }

    // The trailer of a gzip file holds the same checksum, computed by zlib.
    [Theory]
    [InlineData(1)]
    [InlineData(25)]
    [InlineData(30)]
    [InlineData(47)]
    [InlineData(1000)]
    [InlineData(70_003)]
    public async Task Page_checksums_are_those_of_gzip(int tokens)
    {
        var path = _folder.File("checksum.parquet");
        await TokenColumn.WriteAsync<int>(path, [[.. Enumerable.Range(0, tokens)]], 1, Options(CompressionMethod.None, EncodingHint.Default));
        var file = await File.ReadAllBytesAsync(path);

        // A page header begins with four int32 fields: type, size, stored size, checksum; each a byte 0x15 and a zigzag varint.
        var at = 4;
        var fields = new uint[4];
        for (var i = 0; i < fields.Length; i++)
        {
            Assert.Equal(0x15, file[at++]);
            var value = 0u;
            for (var shift = 0; ; shift += 7)
            {
                value |= (uint)(file[at] & 0x7F) << shift;
                if (file[at++] < 0x80)
                {
                    break;
                }
            }

            fields[i] = (value >> 1) ^ (uint)-(int)(value & 1);
        }

        await using var reader = await ParquetReader.CreateAsync(path);
        var chunk = reader.Metadata!.RowGroups[0].Columns[0].MetaData!;
        var page = file.AsMemory((int)(chunk.DataPageOffset + chunk.TotalCompressedSize - fields[2]), (int)fields[2]);
        var gzip = new MemoryStream();
        await using (var compressor = new GZipStream(gzip, CompressionLevel.Fastest, leaveOpen: true))
        {
            await compressor.WriteAsync(page);
        }

        Assert.Equal(BitConverter.ToUInt32(gzip.ToArray(), (int)gzip.Length - 8), fields[3]);
    }

    [Theory]
    [InlineData(CompressionLevel.Fastest)]
    [InlineData(CompressionLevel.Optimal)]
    [InlineData(CompressionLevel.SmallestSize)]
    public async Task Zstd_levels(CompressionLevel level)
    {
        var documents = DocumentFormula.Documents(500, mayBeNull: false);
        var path = _folder.File("level.parquet");
        var options = new ParquetOptions { CompressionMethod = CompressionMethod.Zstd, CompressionLevel = level };
        await TokenColumn.WriteAsync<int>(path, documents, 500, options);
        Assert.Equal(documents, await TokenColumn.ReadAsync(path));
    }

    [Theory]
    [InlineData(EncodingHint.Default, CompressionMethod.None)]
    [InlineData(EncodingHint.Default, CompressionMethod.Brotli)]
    [InlineData(EncodingHint.Dictionary, CompressionMethod.Zstd)]
    [InlineData(EncodingHint.DeltaBinaryPacked, CompressionMethod.Snappy)]
    public async Task Large_groups_are_split_into_pages(EncodingHint hint, CompressionMethod method)
    {
        // Long runs, long and short documents, and one document larger than a page.
        int[]?[] documents =
        [
            .. Enumerable.Range(0, 300).Select(i => Enumerable.Range(0, 2500).Select(j => i % 3 == 0 ? 7 : (i * j) % 50257).ToArray()),
            [.. Enumerable.Range(0, 600_000).Select(j => j % 1000)],
            [],
            [1, 2, 3],
        ];
        var path = _folder.File("large.parquet");
        var options = Options(method, hint);
        await TokenColumn.WriteAsync<int>(path, documents, documents.Length, options);
        Assert.Equal(documents, await TokenColumn.ReadAsync(path));
    }

    [Fact]
    public async Task Extreme_integers_survive_delta_encoding()
    {
        int[] ints = [int.MinValue, int.MaxValue, 0, -1, 1, int.MaxValue, int.MinValue, .. Enumerable.Range(0, 300).Select(i => i * i * i)];
        long[] longs = [long.MinValue, long.MaxValue, 0, long.MaxValue, .. Enumerable.Range(0, 97).Select(i => long.MinValue >> (i % 9))];
        Assert.Equal(ints, await RoundTripScalarsAsync(ints, EncodingHint.DeltaBinaryPacked));
        Assert.Equal(longs, await RoundTripScalarsAsync(longs, EncodingHint.DeltaBinaryPacked));
        Assert.Equal(longs, await RoundTripScalarsAsync(longs, EncodingHint.Dictionary));
    }

    [Fact]
    public async Task Every_number_type_keeps_its_extremes()
    {
        await AssertKeptAsync(sbyte.MinValue, sbyte.MaxValue);
        await AssertKeptAsync(byte.MinValue, byte.MaxValue);
        await AssertKeptAsync(short.MinValue, short.MaxValue);
        await AssertKeptAsync(ushort.MinValue, ushort.MaxValue);
        await AssertKeptAsync(uint.MinValue, uint.MaxValue);
        await AssertKeptAsync(ulong.MinValue, ulong.MaxValue);
        await AssertKeptAsync(float.MinValue, -0f, float.NaN);
        await AssertKeptAsync(double.MaxValue, double.Epsilon);
    }

    [Theory]
    [InlineData(EncodingHint.Default)]
    [InlineData(EncodingHint.Dictionary)]
    public async Task Text_and_optional_numbers(EncodingHint hint)
    {
        string?[] texts = ["", "kv", null, "Schlüssel \U0001F511", "kv", null, new string('x', 70_000)];
        int?[] numbers = [1, null, null, 4, 5, 6, null];
        var path = _folder.File("scalars.parquet");
        var (text, number) = (new DataField<string>("id"), new DataField<int?>("length"));
        var options = Options(CompressionMethod.Zstd, hint);
        options.ColumnEncodingHints["id"] = hint;
        options.ColumnEncodingHints["length"] = hint;
        await using (var file = File.Create(path))
        await using (var writer = await ParquetWriter.CreateAsync(new ParquetSchema(text, number), file, options))
        {
            using var group = writer.CreateRowGroup();
            await group.WriteAsync(text, texts);
            await group.WriteAsync<int>(number, numbers.AsMemory());
            group.CompleteValidate();
        }

        await using var reader = await ParquetReader.CreateAsync(path);
        using var read = reader.OpenRowGroupReader(0);
        var (textsRead, numbersRead) = (new string?[7], new int?[7]);
        await read.ReadAsync(text, textsRead);
        await read.ReadAsync<int>(number, numbersRead.AsMemory());
        Assert.Equal(texts, textsRead);
        Assert.Equal(numbers, numbersRead);
        Assert.Equal(2, read.GetMetadata(text)!.MetaData!.Statistics!.NullCount);
        Assert.Equal(3, read.GetMetadata(number)!.MetaData!.Statistics!.NullCount);
    }

    [Fact]
    public async Task A_list_of_text_has_an_entry_per_slot()
    {
        var element = new DataField<string>("element", nullable: true);
        var schema = new ParquetSchema(new ListField("tags", element));
        string?[] values = ["a", "b", null, "c"];
        int[] repetitions = [0, 1, 1, 0];
        var stream = new MemoryStream();
        await using (var writer = await ParquetWriter.CreateAsync(schema, stream))
        {
            using var group = writer.CreateRowGroup();
            await group.WriteAsync(element, values, repetitions);
        }

        await using var reader = await ParquetReader.CreateAsync(stream);
        using var read = reader.OpenRowGroupReader(0);
        var (valuesRead, repetitionsRead) = (new string?[4], new int[4]);
        await read.ReadAsync(element, valuesRead, repetitionsRead);
        Assert.Equal(2, read.RowCount);
        Assert.Equal(values, valuesRead);
        Assert.Equal(repetitions, repetitionsRead);
    }

    [Fact]
    public async Task A_bare_repeated_column_needs_no_definition_levels()
    {
        var field = new DataField<int[]>("input_ids");
        var stream = new MemoryStream();
        await using (var writer = await ParquetWriter.CreateAsync(new ParquetSchema(field), stream))
        {
            using var group = writer.CreateRowGroup();
            await group.WriteAsync<int>(field, new[] { 1, 2, 3, 4 }.AsMemory(), new[] { 0, 1, 0, 1 });
        }

        await using var reader = await ParquetReader.CreateAsync(stream);
        Assert.Equal([[1, 2], [3, 4]], await TokenColumn.ReadAsync(reader));
    }

    [Fact]
    public async Task Empty_groups_and_files_without_groups()
    {
        var path = _folder.File("empty.parquet");
        await TokenColumn.WriteAsync<int>(path, [], 1, new());
        Assert.Empty(await TokenColumn.ReadAsync(path));

        var field = new DataField<int>("length");
        var stream = new MemoryStream();
        await using (var writer = await ParquetWriter.CreateAsync(new ParquetSchema(field), stream))
        {
            using var group = writer.CreateRowGroup();
            await group.WriteAsync<int>(field, ReadOnlyMemory<int>.Empty);
        }

        await using var reader = await ParquetReader.CreateAsync(stream);
        using var read = reader.OpenRowGroupReader(0);
        Assert.Equal(0, read.RowCount);
        await read.ReadAsync<int>(field, Memory<int>.Empty);
    }

    private static ParquetOptions Options(CompressionMethod method, EncodingHint hint)
    {
        var options = new ParquetOptions { CompressionMethod = method, CompressionLevel = CompressionLevel.Optimal };
        options.ColumnEncodingHints["input_ids/list/element"] = hint;
        return options;
    }

    private async Task RoundTripAsync<T>(int[]?[] documents, CompressionMethod method, EncodingHint hint, Encoding encoding)
        where T : unmanaged, System.Numerics.IBinaryInteger<T>
    {
        var path = _folder.File($"{typeof(T).Name}.parquet");
        await TokenColumn.WriteAsync<T>(path, documents, 300, Options(method, hint));
        await using var reader = await ParquetReader.CreateAsync(path);
        Assert.Equal([300, 300, 300, 100], reader.Metadata!.RowGroups.Select(group => group.NumRows));
        var chunk = reader.Metadata.RowGroups[0].Columns[0].MetaData!;
        Assert.Contains(encoding, chunk.Encodings);
        Assert.Equal((int)method, (int)chunk.Codec);
        Assert.Equal(typeof(T), TokenColumn.Find(reader).ClrType);
        Assert.Equal(documents, await TokenColumn.ReadAsync(reader));
    }

    private static async Task AssertKeptAsync<T>(params T[] values)
        where T : struct
        => Assert.Equal(values, await RoundTripScalarsAsync(values));

    private static async Task<T[]> RoundTripScalarsAsync<T>(T[] values, EncodingHint hint = EncodingHint.Default)
        where T : struct
    {
        var field = new DataField<T>("value", nullable: false);
        var options = new ParquetOptions { CompressionMethod = CompressionMethod.None };
        options.ColumnEncodingHints["value"] = hint;
        var stream = new MemoryStream();
        await using (var writer = await ParquetWriter.CreateAsync(new ParquetSchema(field), stream, options))
        {
            using var group = writer.CreateRowGroup();
            await group.WriteAsync<T>(field, values.AsMemory());
        }

        await using var reader = await ParquetReader.CreateAsync(stream);
        using var read = reader.OpenRowGroupReader(0);
        var valuesRead = new T[values.Length];
        await read.ReadAsync<T>(reader.Schema.FindDataField("value"), valuesRead.AsMemory());
        return valuesRead;
    }
}
