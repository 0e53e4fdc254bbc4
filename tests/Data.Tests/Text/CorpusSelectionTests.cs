using System.IO.Compression;
using KvShiftScale.Data.Corpus;
using KvShiftScale.Data.Finding;
using KvShiftScale.Data.Tests.Parquet;

namespace KvShiftScale.Data.Tests.Text;

/// <summary>Which files of a folder are read, and as what.</summary>
public sealed class CorpusSelectionTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public CorpusSelectionTests()
    {
        _folder.Write("in/README", "read me");
        _folder.Write("in/a/copyright", "rights");
        _folder.Write("in/a/notes.txt", "notes");
        _folder.Write("in/a/lines.jsonl", "{\"text\":\"line\"}");
        using var changelog = new GZipStream(File.Create(_folder.Path("in/a/changelog.gz")), CompressionMode.Compress);
        changelog.Write("changes"u8);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void AsTextTakesFilesOfEveryName()
        => Assert.Equal(["read me", "changes", "rights", "{\"text\":\"line\"}", "notes"], Texts(new CorpusSelection { Kind = CorpusFileKind.Whole }));

    [Fact]
    public void NamesAreChosenAndLeftOut()
    {
        var all = new CorpusSelection { Kind = CorpusFileKind.Whole };

        Assert.Equal(["read me", "rights"], Texts(all with { Include = ["README*", "copyright"] }));
        Assert.Equal(["read me", "notes"], Texts(all with { Exclude = ["*.gz", "*.jsonl", "a/copy*"] }));
        Assert.Equal(["read me"], Texts(all with { Exclude = ["a"] }));
        Assert.Equal(["notes"], Texts(new CorpusSelection { Exclude = ["*.jsonl"] }));
        // A file that is named is taken, whatever is left out.
        Assert.Equal(["rights"], Texts(all with { Exclude = ["*"] }, "in/a/copyright"));
        Assert.Equal(["rights"], Texts(all with { Include = ["copy*"] }, "in/**"));
    }

    [Fact]
    public void AsJsonLinesAndAsParquetReadThatWhateverTheName()
    {
        _folder.Write("in2/data", "{\"text\":\"one\"}\n{\"text\":\"two\"}");
        File.Move(TextParquet.Write(_folder.Path("in3/x.parquet"), ["three", "four"], column: "body"), _folder.Path("in3/blob"));

        Assert.Equal(["one", "two"], Texts(new CorpusSelection { Kind = CorpusFileKind.JsonLines }, "in2"));
        Assert.Equal(["three", "four"], Texts(new CorpusSelection { Kind = CorpusFileKind.Parquet, TextColumn = "body" }, "in3"));
    }

    [Fact]
    public void ParquetIsReadAmongOtherText()
    {
        TextParquet.Write(_folder.Path("in/a/b.parquet"), ["one", null, "two"]);

        Assert.Equal(["one", "two", "line", "notes"], Texts(new CorpusSelection()));
    }

    [Fact]
    public void WhatIsNotTakenIsSaid()
    {
        Assert.Contains("or say with --as text, jsonl or parquet what all of them are",
            Assert.Throws<InvalidDataException>(() => Texts(new CorpusSelection(), "in/a/copyright")).Message, StringComparison.Ordinal);
        Assert.Contains("With --as text, jsonl or parquet files of any name are read",
            Assert.Throws<FileNotFoundException>(() => Texts(new CorpusSelection(), Path.GetDirectoryName(_folder.Write("in4/LICENSE", "x"))!)).Message, StringComparison.Ordinal);
        Assert.Contains("has 2 files of text, and --include and --exclude leave none of them",
            Assert.Throws<FileNotFoundException>(() => Texts(new CorpusSelection { Include = ["*.md"] })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AParquetFileUnderATextsNameIsRecognized()
    {
        File.Copy(TextParquet.Write(_folder.Path("x/a.parquet"), ["one"]), _folder.Path("x/a.txt"));

        var error = Assert.Throws<InvalidDataException>(() => Texts(new CorpusSelection(), "x/a.txt"));

        Assert.Contains("found a Parquet file; wanted text, as its name or --as says. End its name in .parquet.", error.Message, StringComparison.Ordinal);
    }

    private string[] Texts(CorpusSelection selection, string path = "in")
        => [.. TextDocuments.Read(TextDocuments.Files([_folder.Path(path)], selection: selection)).Select(document => document.Text)];
}
