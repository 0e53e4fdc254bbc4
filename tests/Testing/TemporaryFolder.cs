namespace KvShiftScale.Testing;

/// <summary>An empty folder that is deleted at the end of a test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public TemporaryFolder() => Path = Directory.CreateTempSubdirectory("kvshift-tests-").FullName;

    public string Path { get; }

    public string PathOf(params string[] names) => System.IO.Path.Combine([Path, .. names]);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
