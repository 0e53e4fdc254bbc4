using System.Buffers;
using KvShiftScale.Core;
using KvShiftScale.Data.Corpus;
using KvShiftScale.Data.Files;
using KvShiftScale.Data.Shards.Format;
using KvShiftScale.Data.Tests.Shards;
using KvShiftScale.Data.Text;
using Parquet;
using Parquet.Schema;
using ParquetSharp;

namespace KvShiftScale.Data.Tests.Parquet;

public sealed class ParquetTextsTests(ForeignTexts foreign) : IClassFixture<ForeignTexts>, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void EveryFileOfOtherWritersHasItsTexts()
    {
        Assert.Equal(117, foreign.Paths.Count);
        Assert.All(foreign.Paths, path => Assert.Equal(
            ForeignTexts.Expected.Select(text => Path.GetFileName(path).StartsWith("hyparquet-required", StringComparison.Ordinal) ? text ?? "" : text), Texts(path)));
    }

    [Theory]
    [InlineData(Compression.Uncompressed)]
    [InlineData(Compression.Snappy)]
    [InlineData(Compression.Gzip)]
    [InlineData(Compression.Brotli)]
    [InlineData(Compression.Zstd)]
    [InlineData(Compression.Lz4)]
    [InlineData(Compression.Lz4Hadoop)]
    public void EveryCodecOfParquetSharpIsRead(Compression codec)
    {
        using var builder = new WriterPropertiesBuilder();
        var path = TextParquet.Write(_folder.File("a.parquet"), ForeignTexts.Expected, rowGroup: 70,
            builder.Compression(codec).DisableDictionary().EnablePageChecksum().DataPagesize(512).Build());

        Assert.Equal(ForeignTexts.Expected, Texts(path));
    }

    [Fact]
    public async Task FilesOfParquetNetAreRead()
    {
        var schema = new ParquetSchema(new DataField<int>("id"), new DataField<string>("text"));
        await using (var stream = File.Create(_folder.File("a.parquet")))
        await using (var writer = await ParquetWriter.CreateAsync(schema, stream))
        {
            using var group = writer.CreateRowGroup();
            await group.WriteAsync<int>(schema.DataFields[0], Enumerable.Range(0, 3).ToArray());
            await group.WriteAsync(schema.DataFields[1], (string?[])["one", null, "na\u00EFve"]);
        }

        Assert.Equal(["one", null, "na\u00EFve"], Texts(_folder.File("a.parquet")));
    }

    [Fact]
    public void BytesWithoutAMeaningAreTextToo()
    {
        var path = _folder.File("a.parquet");
        using (var file = new ParquetFileWriter(path, [new Column<byte[]>("content")]))
        {
            using var group = file.AppendRowGroup();
            using var values = group.NextColumn().LogicalWriter<byte[]>();
            values.WriteBatch([[.. "caf"u8, 0xE9], [], "two"u8.ToArray()]);
            file.Close();
        }

        Assert.Equal(["caf\uFFFD", "", "two"], Texts(path, "content"));
    }

    [Fact]
    public void ARowWithoutTextSaysWhichItIs()
    {
        var path = TextParquet.Write(_folder.File("a.parquet"), ["one", "two", null, "four"], rowGroup: 2);
        using var texts = ParquetTexts.Open(path, "text");

        texts.Documents(0).ElementAt(2).Read("text", skipsBadLines: false, out var line);

        Assert.Equal($"{path}, row 2: column 'text' is null", line!.ToString());
    }

    [Fact]
    public void AnyNumberOfRowsIsPassedOver()
    {
        var path = TextParquet.Write(_folder.File("a.parquet"), ForeignTexts.Expected, rowGroup: 70);

        for (var skip = 0; skip <= 300; skip += 7)
        {
            using var texts = ParquetTexts.Open(path, "text");
            Assert.Equal(Enumerable.Range(skip, 300 - skip).Select(row => (long)row), texts.Documents(skip).Select(document => document.Index));
        }
    }

    [Fact]
    public void RowGroupsAreReadOneByOneAndADamagedOneIsNamed()
    {
        using var builder = new WriterPropertiesBuilder();
        var path = TextParquet.Write(_folder.File("a.parquet"), ForeignTexts.Expected, rowGroup: 100, builder.Compression(Compression.Uncompressed).Build());
        var start = ChunkOf(path, group: 1);
        using (var file = File.OpenWrite(path))
        {
            file.Position = start;
            file.Write([0xFF, 0xFF, 0xFF]);
        }

        var read = new List<string?>();
        using var damaged = ParquetTexts.Open(path, "text");
        var error = Assert.Throws<InvalidDataException>(() => read.AddRange(damaged.Documents(0).Select(Text)));
        Assert.StartsWith($"{path}: row group 1: column text: chunk at byte {start}: page 0 at byte {start}: ", error.Message, StringComparison.Ordinal);
        // AddRange takes them one by one.
        Assert.Equal(ForeignTexts.Expected[..100], read);
        using var behind = ParquetTexts.Open(path, "text");
        Assert.Equal(ForeignTexts.Expected[200..], behind.Documents(200).Select(Text));
    }

    [Fact]
    public void FilesWithoutSuchAColumnAreRefusedWithTheColumnsTheyHave()
    {
        using var shards = new ShardFolder();
        var path = TextParquet.Write(_folder.File("a.parquet"), ["one"]);

        Assert.Equal($"{path}: there is no column body; its columns are: id, text, url. Name the column that holds the text with --text-column", Refused(path, "body"));
        Assert.Contains("column id holds Int64 (Int); wanted strings, one a row", Refused(path, "id"), StringComparison.Ordinal);
        var shard = shards.Write("shard.parquet", [[1, 2, 3]]);
        Assert.Contains("its columns are: input_ids. It holds ids of tokens, which training reads as they are", Refused(shard, "text"), StringComparison.Ordinal);
        Assert.Contains("column input_ids holds lists or structures; wanted strings", Refused(shard, "input_ids"), StringComparison.Ordinal);
    }

    [Fact]
    public void WhatIsNoParquetFileIsDamaged()
    {
        File.WriteAllText(_folder.File("a.parquet"), "text, and no Parquet file");

        var error = Assert.Throws<InvalidDataException>(() => ParquetTexts.Open(_folder.File("a.parquet"), "text"));

        Assert.StartsWith($"{_folder.File("a.parquet")}: the 25 bytes are no complete Parquet file: ", error.Message, StringComparison.Ordinal);
    }

    /// <summary>A changed byte is found, or changes a text; nothing else comes of it. A cut file is always found.</summary>
    [Theory]
    [InlineData(Compression.Uncompressed, true)]
    [InlineData(Compression.Snappy, false)]
    [InlineData(Compression.Zstd, true)]
    public void DamageEndsInAMessageOrInAText(Compression codec, bool hasDictionary)
    {
        using var builder = new WriterPropertiesBuilder();
        builder.Compression(codec);
        var path = TextParquet.Write(_folder.File("a.parquet"), ForeignTexts.Expected[..60], rowGroup: 25,
            (hasDictionary ? builder.EnableDictionary() : builder.DisableDictionary()).Build());
        var content = File.ReadAllBytes(path);
        var refused = 0;
        for (var position = 0; position < content.Length; position += Math.Max(1, content.Length / 700))
        {
            var changed = content.ToArray();
            changed[position] ^= (byte)(1 + (position * 37 % 255));
            File.WriteAllBytes(path, changed);
            refused += IsRefused(path) ? 1 : 0;
            File.WriteAllBytes(path, content[..position]);
            Assert.True(IsRefused(path), $"a file that ends at byte {position} of {content.Length}");
        }

        Assert.InRange(refused, 20, 700);
    }

    private static bool IsRefused(string path)
    {
        try
        {
            Texts(path);
            return false;
        }
        catch (Exception error) when (error is InvalidDataException or UsageException)
        {
            Assert.StartsWith($"{path}: ", error.Message, StringComparison.Ordinal);
            return true;
        }
    }

    private static string Refused(string path, string column) => Assert.Throws<UsageException>(() => ParquetTexts.Open(path, column)).Message;

    private static long ChunkOf(string path, int group)
    {
        using var file = new ShardFile(path, new ReadAccess(), expected: null, CancellationToken.None);
        var start = ShardFooter.Read(file, "text", out var bytes).Chunks[group].Start;
        ArrayPool<byte>.Shared.Return(bytes);
        return start;
    }

    private static List<string?> Texts(string path, string column = "text")
    {
        using var texts = ParquetTexts.Open(path, column);
        return [.. texts.Documents(0).Select(Text)];
    }

    private static string? Text(RawDocument document)
    {
        var text = document.Read("text", skipsBadLines: false, out var leftOut);
        return leftOut is null ? System.Text.Encoding.UTF8.GetString(text.Utf8) : null;
    }
}
