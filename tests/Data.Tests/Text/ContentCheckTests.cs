using System.IO.Compression;
using System.Text;
using KvShiftScale.Data.Corpus;

namespace KvShiftScale.Data.Tests.Text;

/// <summary>A file that is not what its name says is named, with what it is.</summary>
public sealed class ContentCheckTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string, string, string> Wrong => new()
    {
        { "a.txt.gz", "empty", "found an empty file; wanted gzip data" },
        { "a.jsonl.gz", "empty", "found an empty file; wanted gzip data" },
        { "a.xml.zst", "empty", "found an empty file; wanted zstd data" },
        { "a.md.zstd", "empty", "found an empty file; wanted zstd data" },
        { "a.txt.gz", "text", "found plain text; wanted gzip data, as its name says. Take .gz or .zst off the name" },
        { "a.jsonl.gz", "zstd", "found zstd data; wanted gzip data, as its name says. Add .zst to the name" },
        { "a.txt.zst", "gzip", "found gzip data; wanted zstd data, as its name says. Add .gz to the name" },
        { "a.txt.zst", "png", "found a PNG picture; wanted zstd data" },
        { "a.jsonl", "gzip", "found gzip data; wanted text, as its name or --as says. Add .gz to the name" },
        { "a.txt", "zstd", "found zstd data; wanted text" },
        { "a.md", "png", "found a PNG picture; wanted text" },
        { "a.txt", "parquet", "found a Parquet file; wanted text" },
        { "a.txt", "zeros", "found binary data (it has zero bytes); wanted text" },
        { "a.xml", "zeros", "found binary data" },
        { "a.txt", "utf16", "Text in UTF-16 or UTF-32 needs a byte order mark" },
        { "a.txt.gz", "gzip of gzip", "found gzip data; wanted text" },
        { "a.txt.gz", "gzip of zeros", "found binary data" },
        { "a.json", "array", "found a JSON array; wanted one object a line. Write its elements as lines" },
        { "a.jsonl", "array over lines", "found a JSON array; wanted one object a line" },
        { "a.jsonl.gz", "gzip of array", "found a JSON array" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void IsNamed(string name, string content, string expected)
    {
        File.WriteAllBytes(_folder.Path(name), Content(content));

        var error = Assert.Throws<InvalidDataException>(() => TextDocuments.Read([_folder.Path(name)]).ToList());

        Assert.StartsWith($"{_folder.Path(name)}: found ", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("BZh is a word", "a.txt")]
    [InlineData("PAR1 and %PDF- are words", "b.txt")]
    [InlineData("SQLite format 3 is a database", "c.md")]
    [InlineData("[1] is a footnote", "d.txt")]
    [InlineData("x", "e.txt")]
    public void TextThatOnlyBeginsLikeAnotherFormIsText(string text, string name)
    {
        _folder.Write(name, text);
        File.WriteAllBytes(_folder.Path(name + ".gz"), GZip(Encoding.UTF8.GetBytes(text)));

        Assert.Equal([text, text], TextDocuments.Read([_folder.Path("*")]).Select(document => document.Text));
    }

    [Fact]
    public void NothingIsNoDocumentWhateverTheForm()
    {
        _folder.Write("a.txt", "");
        _folder.Write("b.md", "");
        _folder.Write("c.xml", "");
        _folder.Write("d.jsonl", "");
        _folder.Write("e.jsonl", "\n \n\n");
        // What gzip makes of nothing; GZipStream makes nothing of it.
        File.WriteAllBytes(_folder.Path("f.txt.gz"), [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        File.WriteAllBytes(_folder.Path("g.txt.zst"), ZstdFile.Compress(""));
        File.WriteAllBytes(_folder.Path("h.txt"), Encoding.UTF8.Preamble.ToArray());
        _folder.Write("i.txt", "\n");
        _folder.Write("j.jsonl", "{\"text\":\"\"}");

        Assert.Equal([("i.txt", "\n"), ("j.jsonl", "")],
            TextDocuments.Read([_folder.Path("*")]).Select(document => (Path.GetFileName(document.Source), document.Text)));
    }

    private static byte[] Content(string name) => name switch
    {
        "empty" => [],
        "text" => "plain text\n"u8.ToArray(),
        "gzip" => GZip("{\"text\":\"one\"}\n"u8.ToArray()),
        "zstd" => ZstdFile.Compress("{\"text\":\"one\"}\n"),
        "png" => [0x89, .. "PNG\r\n"u8, 0x1A, 0x0A, 0, 0, 0, 13],
        "parquet" => [.. "PAR1"u8, 0x15, 0x00, .. "PAR1"u8],
        "zeros" => [.. "text and then "u8, 0, 1, 2],
        "utf16" => Encoding.Unicode.GetBytes("plain text"),
        "gzip of gzip" => GZip(GZip("text"u8.ToArray())),
        "gzip of zeros" => GZip(new byte[100]),
        "array" => "[{\"text\":\"one\"},{\"text\":\"two\"}]"u8.ToArray(),
        "array over lines" => "\n [\n  {\"text\":\"one\"},\n  {\"text\":\"two\"}\n]\n"u8.ToArray(),
        "gzip of array" => GZip("[\n{\"text\":\"one\"}\n]"u8.ToArray()),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "no such content"),
    };

    private static byte[] GZip(byte[] content)
    {
        using var compressed = new MemoryStream();
        using (var writer = new GZipStream(compressed, CompressionLevel.Optimal))
        {
            writer.Write(content);
        }

        return compressed.ToArray();
    }
}
