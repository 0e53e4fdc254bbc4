using System.IO.Compression;
using System.Text;
using KvShiftScale.Data.Corpus;

namespace KvShiftScale.Data.Tests.Text;

public sealed class TextDocumentsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ReadsEachKindInOrdinalOrder()
    {
        _folder.Write("c.txt", "plain\n");
        _folder.Write("a/b.md", "# head");
        _folder.Write("a/B.jsonl", "{\"text\":\"one\"}\n\n{\"id\":7,\"text\":\"two\\n\\ud83d\\ude00\"}\n");
        _folder.Write("a/x/y.xml", "<root>raw</root>");
        WriteCompressed("d.txt.gz", "packed");
        WriteCompressed("e.jsonl.gz", "{\"text\":\"packed line\"}");

        Assert.Equal(
            [
                new(_folder.Path("a/B.jsonl"), 0, "one"),
                new(_folder.Path("a/B.jsonl"), 1, "two\n😀"),
                new(_folder.Path("a/b.md"), 0, "# head"),
                new(_folder.Path("a/x/y.xml"), 0, "<root>raw</root>"),
                new(_folder.Path("c.txt"), 0, "plain\n"),
                new(_folder.Path("d.txt.gz"), 0, "packed"),
                new(_folder.Path("e.jsonl.gz"), 0, "packed line"),
            ],
            TextDocuments.Read([_folder.Path("**/*")]));
    }

    [Fact]
    public void KeepsTheOrderOfThePatternsAndReadsAFileOnce()
    {
        _folder.Write("a.txt", "a");
        _folder.Write("b.txt", "b");

        Assert.Equal(["b", "a"], Texts("b.txt", "*.txt"));
    }

    [Fact]
    public void ReadsAnotherField()
    {
        var path = _folder.Write("a.jsonl", "{\"text\":\"no\",\"content\":\"yes\"}");

        Assert.Equal(["yes"], TextDocuments.Read([path], "content").Select(document => document.Text));
    }

    [Fact]
    public void RendersDocumentationAndLeavesOtherXml()
    {
        WriteCompressed("a.xml.gz", "<doc><members><member name=\"T:N.A\"><summary>Says A.</summary></member></members></doc>");
        _folder.Write("b.xml", "<doc><chapter>No members.</chapter></doc>");
        _folder.Write("c.xml", "not xml at all");

        Assert.Equal(["Type N.A\nSays A.\n", "<doc><chapter>No members.</chapter></doc>", "not xml at all"], Texts("*"));
    }

    [Fact]
    public void NamesPatternAndFolderWhenNothingMatches()
    {
        _folder.Write("sub/a.txt", "a");

        var error = Assert.Throws<FileNotFoundException>(() => TextDocuments.Read([_folder.Path("*.txt")]));
        Assert.Contains(_folder.Path("*.txt"), error.Message, StringComparison.Ordinal);
        Assert.Contains($"no such file in {_folder.Root}", error.Message, StringComparison.Ordinal);
        Assert.Contains("does not exist", MessageFor("none/*.txt"), StringComparison.Ordinal);
        Directory.CreateDirectory(_folder.Path("pictures"));
        File.WriteAllText(_folder.Path("pictures/a.png"), "");
        Assert.Contains("is a folder of 1 files, none of a known kind", MessageFor("pictures"), StringComparison.Ordinal);

        string MessageFor(string glob) => Assert.Throws<FileNotFoundException>(() => TextDocuments.Read([_folder.Path(glob)])).Message;
    }

    [Fact]
    public void RefusesAFileOfUnknownKind()
    {
        var path = _folder.Write("picture.png", "");

        var error = Assert.Throws<InvalidDataException>(() => TextDocuments.Read([_folder.Path("*")]));
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        Assert.Contains("expected .txt, .md, .xml, .jsonl", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"text\":", "found '{\"text\":', which is not JSON")]
    [InlineData("{\"text\":\"a\"} and more", "which is not JSON")]
    [InlineData("{\"text\":\"a\"", "which is not JSON")]
    [InlineData("plain text", "found 'plain text', which is not JSON")]
    [InlineData("[1]", "found an array ('[1]')")]
    [InlineData("\"text\"", "found a string")]
    [InlineData("{}", "no field 'text'; found an empty object")]
    [InlineData("{\"a\":{\"text\":\"inner\"}}", "no field 'text'; found 'a'")]
    [InlineData("{\"id\":1,\"body\":\"x\"}", "no field 'text'; found 'id', 'body'")]
    [InlineData("{\"text\":[\"a\"]}", "field 'text' is an array, expected a string")]
    [InlineData("{\"text\":\"\\ud80\"}", "which is not JSON")]
    public void NamesTheLineThatIsWrong(string line, string message)
    {
        var path = _folder.Write("a.jsonl", "{\"text\":\"fine\"}\n" + line + "\n");

        var error = Assert.Throws<InvalidDataException>(() => TextDocuments.Read([path]).ToList());
        Assert.StartsWith($"{path}, line 2: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AMessageHasTheBeginningOfALongLine()
    {
        var path = _folder.Write("a.jsonl", new string('x', 5000));

        var error = Assert.Throws<InvalidDataException>(() => TextDocuments.Read([path]).ToList());
        Assert.Contains($"found '{new string('x', 80)}...'", error.Message, StringComparison.Ordinal);
        Assert.InRange(error.Message.Length, 100, 600);
    }

    [Fact]
    public void ReadsAFolderAndLeavesOtherFilesInIt()
    {
        _folder.Write("sub/b.txt", "b");
        _folder.Write("sub/deep/a.ndjson", "{\"text\":\"a\"}");
        _folder.Write("sub/deep/c.markdown", "c");
        _folder.Write("sub/picture.png", "");
        _folder.Write("sub/.hidden.txt", "hidden");
        _folder.Write("other.txt", "other");

        Assert.Equal(["b", "a", "c"], Texts("sub"));
        Assert.Equal(["b", "a", "c"], Texts("sub/"));
    }

    [Fact]
    public void ReadsJsonLinesAsTheyCome()
    {
        // Blank lines, \r\n, other fields that hold what looks like the field, a field that stands twice, no line end at the end.
        _folder.Write("a.json",
            "\n  \t\r\n{\"meta\":{\"text\":[\"no\",{}]},\"text\":\"yes\"}\r\n{\"text\":\"first\",\"text\":\"last\"}\n{\"text\":\"\"}\n{\"text\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"}");

        var documents = TextDocuments.Read([_folder.Path("a.json")]).ToList();

        Assert.Equal(["yes", "last", "", "\"\\/\b\f\n\r\t\u00e9"], documents.Select(document => document.Text));
        Assert.Equal([0, 1, 2, 3], documents.Select(document => document.Index));
    }

    [Fact]
    public void HalfASurrogatePairBecomesAReplacementCharacter()
    {
        _folder.Write("a.jsonl",
            "{\"text\":\"a\\ud800b\"}\n{\"text\":\"\\udc00\\ud83d\\ude00\\n\\\\\\\"\\/\\b\\f\\r\\t\u00e9\"}\n");

        Assert.Equal(["a\uFFFDb", "\uFFFD\ud83d\ude00\n\\\"/\b\f\r\t\u00e9"], Texts("a.jsonl"));
    }

    [Fact]
    public void BrokenUtf8BecomesReplacementCharacters()
    {
        // A lone continuation, a cut sequence of three bytes, an overlong one, and a good one.
        byte[] broken = [(byte)'a', 0x80, 0xE2, 0x82, (byte)'b', 0xC0, 0xAF, 0xC3, 0xA9];
        const string Text = "a\uFFFD\uFFFDb\uFFFD\uFFFD\u00e9";
        File.WriteAllBytes(_folder.Path("a.txt"), broken);
        File.WriteAllBytes(_folder.Path("b.jsonl"), [.. "{\"text\":\""u8, .. broken, .. "\"}\n"u8]);

        Assert.Equal([Text, Text], Texts("*"));
    }

    [Theory]
    [InlineData("utf-8")]
    [InlineData("utf-16")]
    [InlineData("utf-16BE")]
    [InlineData("utf-32")]
    [InlineData("utf-32BE")]
    public void AByteOrderMarkSaysTheEncodingAndIsNoText(string name)
    {
        var encoding = Encoding.GetEncoding(name);
        File.WriteAllText(_folder.Path("a.txt"), "one \ud83d\ude00", encoding);
        File.WriteAllText(_folder.Path("b.jsonl"), "{\"text\":\"\u00e9\"}\n{\"text\":\"two\"}", encoding);
        File.WriteAllText(_folder.Path("c.txt"), "", encoding);

        Assert.Equal(["one \ud83d\ude00", "\u00e9", "two"], Texts("*"));
    }

    [Fact]
    public void LinesMayBeLongerThanAnyBuffer()
    {
        var lengths = new[] { 0, 1, 131_060, 131_072, 400_000, 3 };
        _folder.Write("a.jsonl", string.Join('\n', lengths.Select(length => $"{{\"text\":\"{new string('x', length)}\"}}")));

        Assert.Equal(lengths, Texts("a.jsonl").Select(text => text.Length));
    }

    [Fact]
    public void NamesDamagedXml()
    {
        var path = _folder.Write("b.xml", "<doc><members><member name=\"T:A\"><summary>a</summary></member><member");

        Assert.StartsWith($"{path}: damaged", DamageIn(path), StringComparison.Ordinal);
    }

    [Fact]
    public void NoticesACompressedFileThatIsCutOff()
    {
        var path = WriteCompressed("a.txt.gz", string.Join(' ', Enumerable.Range(0, 5000)));
        var whole = File.ReadAllBytes(path);
        foreach (var length in new[] { 1, 9, 30, whole.Length / 2, whole.Length - 9, whole.Length - 8, whole.Length - 1 })
        {
            File.WriteAllBytes(path, whole[..length]);
            Assert.StartsWith($"{path}: damaged", DamageIn(path), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void ReadsJoinedCompressedFiles()
    {
        // Longer than any buffer on the way.
        var first = string.Join(' ', Enumerable.Range(0, 100_000));
        var path = WriteCompressed("a.txt.gz", first);
        var second = WriteCompressed("b.txt.gz", " and more");
        File.WriteAllBytes(path, [.. File.ReadAllBytes(path), .. File.ReadAllBytes(second)]);

        Assert.Equal([first + " and more"], Texts("a.txt.gz"));
    }

    private static string DamageIn(string path)
        => Assert.Throws<InvalidDataException>(() => TextDocuments.Read([path]).ToList()).Message;

    private IEnumerable<string> Texts(params string[] globs)
        => TextDocuments.Read(globs.Select(_folder.Path)).Select(document => document.Text);

    private string WriteCompressed(string name, string content)
    {
        using var writer = new StreamWriter(new GZipStream(File.Create(_folder.Path(name)), CompressionLevel.Optimal));
        writer.Write(content);
        return _folder.Path(name);
    }
}
