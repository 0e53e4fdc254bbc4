using KvShiftScale.Core.Files;
using KvShiftScale.Testing;

namespace KvShiftScale.Checkpoints.Tests.Folders;

public sealed class DurableFileTests
{
    [Fact]
    public void FileIsMadeThenReplaced()
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("a.txt");

        DurableFile.Replace(path, "long old text");
        DurableFile.Replace(path, "new ☃");

        Assert.Equal("new ☃", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void OldContentStaysWhenTheNewCannotBeWritten()
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("a.txt");
        File.WriteAllText(path, "old");
        Directory.CreateDirectory(path + ".partial");

        Assert.Throws<UnauthorizedAccessException>(() => DurableFile.Replace(path, "new"));

        Assert.Equal("old", File.ReadAllText(path));
    }

    [Fact]
    public void DirectoryThatIsMissingIsNamed()
    {
        using var folder = new TemporaryFolder();
        var missing = folder.PathOf("missing");

        var error = Assert.Throws<IOException>(() => DurableFile.FlushDirectory(missing));

        Assert.StartsWith(missing, error.Message);
    }
}
