using System.IO.Compression;
using KvShiftScale.Data.Text;

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
        Assert.Contains("it is a folder; for all files in it write", MessageFor("sub"), StringComparison.Ordinal);

        string MessageFor(string glob) => Assert.Throws<FileNotFoundException>(() => TextDocuments.Read([_folder.Path(glob)])).Message;
    }

    [Fact]
    public void RefusesAFileOfUnknownKind()
    {
        var path = _folder.Write("picture.png", "");

        var error = Assert.Throws<InvalidDataException>(() => TextDocuments.Read([_folder.Path("*")]));
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        Assert.Contains("expected .txt, .md, .xml or .jsonl", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"text\":", "not a line of JSON")]
    [InlineData("[1]", "found Array")]
    [InlineData("{\"id\":1,\"body\":\"x\"}", "no field 'text'; found 'id', 'body'")]
    [InlineData("{\"text\":null}", "field 'text' is Null, expected a string")]
    [InlineData("{\"text\":\"\\ud800\"}", "not a line of JSON")]
    public void NamesTheLineThatIsWrong(string line, string message)
    {
        var path = _folder.Write("a.jsonl", "{\"text\":\"fine\"}\n" + line + "\n");

        var error = Assert.Throws<InvalidDataException>(() => TextDocuments.Read([path]).ToList());
        Assert.StartsWith($"{path}, line 2: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
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
