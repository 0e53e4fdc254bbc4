using System.Runtime.InteropServices;
using KvShiftScale.Data.Corpus;
using KvShiftScale.Data.Finding;

namespace KvShiftScale.Data.Tests.Finding;

/// <summary>Each file is found once, whatever names lead to it, and no search goes in circles.</summary>
public sealed partial class RepeatedFilesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("kvshift-links-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void ALinkBesideItsTargetIsLeftOutUnderItsName()
    {
        Write("b.txt");
        Link("a.txt", "b.txt");
        Link("c.txt", Path.Combine(_folder, "b.txt"));

        var found = FileGlob.Expand(Path.Combine(_folder, "*.txt"));

        // The name that is no link stays, although another one comes before it.
        Assert.Equal(["b.txt"], found.Files);
        Assert.Equal([new LeftOutName(PathOf("a.txt"), LeftOutReason.SameFile, PathOf("b.txt")), new LeftOutName(PathOf("c.txt"), LeftOutReason.SameFile, PathOf("b.txt"))],
            found.LeftOut);
        Assert.Equal($"left out: 2 names, {PathOf("a.txt")} the first (the same file as {PathOf("b.txt")}), since each file is read once", LeftOutName.Describe(found.LeftOut));
    }

    [Fact]
    public void TwoLinksToAFileElsewhereAreOneFile()
    {
        Write("store/blob");
        Link("shards/b.txt", "../store/blob");
        Link("shards/a.txt", "../store/blob");

        Assert.Equal(["a.txt"], FileGlob.Expand(Path.Combine(_folder, "shards", "*.txt")).Files);
    }

    [Fact]
    public void AHardLinkIsTheSameFileAndACopyIsNot()
    {
        Write("b.txt");
        Assert.Equal(0, HardLink(PathOf("b.txt"), PathOf("c.txt")));
        File.Copy(PathOf("b.txt"), PathOf("a.txt"));

        Assert.Equal(["a.txt", "b.txt"], FileGlob.Expand(Path.Combine(_folder, "*.txt")).Files);
    }

    [Theory]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("../..")]
    [InlineData("../../..")]
    public void ALinkToAParentEndsThere(string target)
    {
        Write("data/train/x/a.txt");
        Write("data/validation/b.txt");
        Link("data/train/x/up", target);

        var found = FileGlob.Expand(Path.Combine(_folder, "data", "train", "**", "*.txt"));

        // Neither again nor anything beside the folder that was named.
        Assert.Equal(["x/a.txt"], found.Files);
        Assert.Equal($"left out: {PathOf("data/train/x/up")} (a link to a folder that is searched already: {target})", LeftOutName.Describe(found.LeftOut));
    }

    [Fact]
    public void FoldersThatAllLinkToEachOtherAreSearchedOnce()
    {
        // Without a memory of folders there are 12! ways through these.
        string[] names = [.. Enumerable.Range(0, 12).Select(number => $"f{number:00}")];
        foreach (var name in names)
        {
            Write($"{name}/{name}.txt");
            foreach (var other in names)
            {
                Link($"{name}/to-{other}", $"../{other}");
            }
        }

        Assert.Equal(names.Select(name => $"{name}/{name}.txt"), FileGlob.Expand(Path.Combine(_folder, "**", "*.txt")).Files);
    }

    [Fact]
    public void ALinkToAFolderElsewhereIsFollowed()
    {
        Write("elsewhere/deep/b.txt");
        Write("data/a.txt");
        Link("data/more", "../elsewhere");
        Link("data/again", "../elsewhere");

        var found = FileGlob.Expand(Path.Combine(_folder, "data", "**", "*.txt"));

        Assert.Equal(["a.txt", "again/deep/b.txt"], found.Files);
        Assert.Equal(PathOf("data/more"), Assert.Single(found.LeftOut).Path);
    }

    [Fact]
    public void ALinkToNothingIsNamed()
    {
        Write("a.txt");
        Link("b.txt", "nowhere.txt");
        Link("other.dat", "nowhere.dat");

        Assert.StartsWith($"{PathOf("b.txt")} is a link to nowhere.txt, which is not there", Assert.Throws<FileNotFoundException>(
            () => FileGlob.Expand(Path.Combine(_folder, "*.txt"))).Message, StringComparison.Ordinal);
        File.Delete(PathOf("b.txt"));
        // One of a name that is not wanted is nobody's business.
        Assert.Equal([PathOf("a.txt")], TextDocuments.Files([_folder]).Paths);
    }

    [Fact]
    public void APipeIsPassedOver()
    {
        Write("a.txt");
        Assert.Equal(0, Pipe(PathOf("b.txt"), 0x1B4));

        var found = TextDocuments.Files([_folder]);

        Assert.Equal([PathOf("a.txt")], found.Paths);
        Assert.Equal($"left out: {PathOf("b.txt")} (no file but a pipe, a socket or a device)", LeftOutName.Describe(found.LeftOut));
        Assert.Contains("Write it to a file first", Assert.Throws<FileNotFoundException>(() => TextDocuments.Files([PathOf("b.txt")])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AFileOfSeveralPathsBelongsToTheFirst()
    {
        Write("x/a.txt");
        Write("y/b.txt");
        Link("y/c.txt", "../x/a.txt");

        var found = TextDocuments.Files([PathOf("x/a.txt"), PathOf("y"), PathOf("x"), PathOf("**/*.txt")]);

        Assert.Equal([PathOf("x/a.txt"), PathOf("y/b.txt")], found.Paths);
        // The same name again is no news.
        Assert.Equal([new LeftOutName(PathOf("y/c.txt"), LeftOutReason.SameFile, PathOf("x/a.txt"))], found.LeftOut.Distinct());
    }

    private string PathOf(string name) => Path.Combine(_folder, name);

    private void Write(string name)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(PathOf(name))!);
        File.WriteAllText(PathOf(name), name);
    }

    private void Link(string name, string target)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(PathOf(name))!);
        File.CreateSymbolicLink(PathOf(name), target);
    }

    [LibraryImport("libc", EntryPoint = "link", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int HardLink(string path, string name);

    [LibraryImport("libc", EntryPoint = "mkfifo", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Pipe(string path, uint mode);
}
