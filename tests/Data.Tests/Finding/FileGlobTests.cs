using KvShiftScale.Data.Finding;

namespace KvShiftScale.Data.Tests.Finding;

public sealed class FileGlobTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("kvshift-glob-").FullName;

    public FileGlobTests()
    {
        foreach (var name in new[] { "b.txt", "a.txt", "a.md", ".hidden.txt", "x/c.txt", "x/y/d.txt", "z/e.txt", ".h/f.txt", "z/.h/g.txt", "z/._e.txt" })
        {
            var path = Path.Combine(_folder, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, name);
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("*.txt", "a.txt b.txt")]
    [InlineData("?.md", "a.md")]
    [InlineData("a.txt", "a.txt")]
    [InlineData("*/*.txt", "x/c.txt z/e.txt")]
    [InlineData("**/*.txt", "a.txt b.txt x/c.txt x/y/d.txt z/e.txt")]
    [InlineData("**/y/*", "x/y/d.txt")]
    [InlineData(".*", ".hidden.txt")]
    [InlineData(".hidden.txt", ".hidden.txt")]
    [InlineData("**/.*", ".hidden.txt z/._e.txt")]
    [InlineData("*/.h/*", "z/.h/g.txt")]
    [InlineData("**/.h/*.txt", ".h/f.txt z/.h/g.txt")]
    [InlineData("*/../?.md", "x/../a.md")]
    [InlineData("**", "a.md a.txt b.txt x/c.txt x/y/d.txt z/e.txt")]
    [InlineData("*.parquet", "")]
    public void PatternMatches(string pattern, string expected)
    {
        var (folder, files) = FileGlob.Expand(Path.Combine(_folder, pattern));

        Assert.Equal(_folder, folder);
        Assert.Equal(expected.Split(' ', StringSplitOptions.RemoveEmptyEntries), files);
    }

    [Fact]
    public void FolderIsThePartBeforeTheFirstWildcard()
    {
        var (folder, files) = FileGlob.Expand(Path.Combine(_folder, "x", "**", "*.txt"));

        Assert.Equal(Path.Combine(_folder, "x"), folder);
        Assert.Equal(["c.txt", "y/d.txt"], files);
    }

    [Fact]
    public void MissingFolderMatchesNothing()
    {
        var (folder, files) = FileGlob.Expand(Path.Combine(_folder, "none", "*.txt"));

        Assert.Equal(Path.Combine(_folder, "none"), folder);
        Assert.Empty(files);
    }
}
