using System.Security.Cryptography;

namespace KvShiftScale.Trainer.Checkpoints;

/// <summary>
/// A checkpoint being written, in a folder that no reader takes for a finished one. <see cref="Commit"/> makes it a checkpoint;
/// disposing it without that deletes it.
/// </summary>
public sealed class CheckpointDraft : IDisposable
{
    private readonly CheckpointFolder _folder;
    private readonly long _step;
    private bool _isCommitted;

    internal CheckpointDraft(CheckpointFolder folder, long step)
    {
        _folder = folder;
        _step = step;
        Directory = folder.DraftPathOf(step);
        CheckpointFolder.DeleteIfPresent(Directory);
        System.IO.Directory.CreateDirectory(Directory);
    }

    /// <summary>The folder to write to.</summary>
    public string Directory { get; }

    /// <summary>Path of a file to write. Files in folders below are part of the checkpoint too.</summary>
    public string PathOf(string fileName) => Path.Combine(Directory, fileName);

    /// <summary>
    /// Forces every file to the disk, writes the manifest with their checksums, and gives the folder its name. After a kill at any
    /// moment there is either the finished checkpoint or none.
    /// </summary>
    /// <param name="versions">Versions of what wrote the files, by name.</param>
    public Checkpoint Commit(IReadOnlyDictionary<string, string> versions)
    {
        var files = System.IO.Directory.EnumerateFiles(Directory, "*", SearchOption.AllDirectories)
            .Select(path => (Path: path, Name: Path.GetRelativePath(Directory, path).Replace('\\', '/')))
            .Where(file => file.Name != CheckpointManifest.FileName)
            .OrderBy(file => file.Name, StringComparer.Ordinal)
            .Select(file => Describe(file.Path, file.Name))
            .ToArray();
        foreach (var below in System.IO.Directory.EnumerateDirectories(Directory, "*", SearchOption.AllDirectories))
        {
            DurableFile.FlushDirectory(below);
        }

        var manifest = new CheckpointManifest(_step, versions, files);
        DurableFile.Replace(PathOf(CheckpointManifest.FileName), manifest.ToJson());
        _isCommitted = true;
        return _folder.Publish(Directory, manifest);
    }

    /// <summary>Deletes the folder if it was not committed.</summary>
    public void Dispose()
    {
        if (!_isCommitted)
        {
            CheckpointFolder.DeleteIfPresent(Directory);
        }
    }

    private static CheckpointFile Describe(string path, string name)
    {
        DurableFile.FlushFile(path);
        using var stream = File.OpenRead(path);
        return new CheckpointFile(name, stream.Length, Convert.ToHexStringLower(SHA256.HashData(stream)));
    }
}
