using System.Security.Cryptography;
using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Core.Files;

namespace KvShiftScale.Checkpoints.Folders;

/// <summary>A finished checkpoint on disk.</summary>
/// <param name="Directory">Its folder.</param>
/// <param name="Manifest">What belongs to it.</param>
public sealed record Checkpoint(string Directory, CheckpointManifest Manifest)
{
    /// <summary>Optimizer steps done.</summary>
    public long Step => Manifest.Step;

    /// <summary>Path of one of its files.</summary>
    public string PathOf(string fileName) => Path.Combine(Directory, fileName);
}

/// <summary>A file of a checkpoint beside its tensors.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Write">Writes it to a path. May run on another thread, some time later: what it says must not change.</param>
public sealed record CheckpointDocument(string Name, Action<string> Write);

/// <summary>
/// A checkpoint being written, in a folder that no reader takes for a finished one. <see cref="Commit"/> makes it a checkpoint;
/// disposing it without that deletes it.
/// </summary>
public sealed class CheckpointDraft : IDisposable
{
    private readonly CheckpointFolder _folder;
    private readonly long _step;
    private readonly Action<string>? _warn;
    private bool _isCommitted;

    internal CheckpointDraft(CheckpointFolder folder, long step, Action<string>? warn)
    {
        _folder = folder;
        _step = step;
        _warn = warn;
        Directory = folder.DraftPathOf(step);
        CheckpointFolder.DeleteIfPresent(Directory);
        System.IO.Directory.CreateDirectory(Directory);
    }

    /// <summary>The folder to write to.</summary>
    public string Directory { get; }

    /// <summary>Path of a file to write. Files in folders below are part of the checkpoint too.</summary>
    public string PathOf(string fileName) => Path.Combine(Directory, fileName);

    /// <summary>Writes documents.</summary>
    public void Add(IEnumerable<CheckpointDocument> documents)
    {
        foreach (var document in documents)
        {
            document.Write(PathOf(document.Name));
        }
    }

    /// <summary>
    /// Forces every file to the disk, writes the manifest with their checksums, and gives the folder its name. After a kill at any
    /// moment there is either the finished checkpoint or none.
    /// </summary>
    /// <param name="content">What the manifest says of the content.</param>
    /// <param name="written">
    /// Files that are on the disk already, with their checksums; others that the folder holds are read for theirs. Nothing given: none.
    /// </param>
    public Checkpoint Commit(CheckpointContent content, IReadOnlyList<CheckpointFile>? written = null)
    {
        written ??= [];
        var known = written.Select(file => file.Name).ToHashSet();
        var files = System.IO.Directory.EnumerateFiles(Directory, "*", SearchOption.AllDirectories)
            .Select(path => (Path: path, Name: Path.GetRelativePath(Directory, path).Replace('\\', '/')))
            .Where(file => file.Name != CheckpointManifest.FileName && !known.Contains(file.Name))
            .Select(file => Describe(file.Path, file.Name))
            .Concat(written)
            .OrderBy(file => file.Name, StringComparer.Ordinal)
            .ToArray();
        foreach (var below in System.IO.Directory.EnumerateDirectories(Directory, "*", SearchOption.AllDirectories))
        {
            DurableFile.FlushDirectory(below);
        }

        var manifest = new CheckpointManifest(_step, files, content);
        DurableFile.Replace(PathOf(CheckpointManifest.FileName), manifest.ToJson());
        _isCommitted = true;
        return _folder.Publish(Directory, manifest, _warn);
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
