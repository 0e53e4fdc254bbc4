namespace KvShiftScale.Trainer.Checkpoints;

/// <summary>
/// <c>manifest.json</c> of a checkpoint: what belongs to it and where. Written last, so that a checkpoint without one was never
/// finished. It ends in a checksum of itself.
/// </summary>
/// <param name="Step">Optimizer steps done.</param>
/// <param name="Files">Every file but the manifest, in the order of their names.</param>
/// <param name="Content">What the files hold.</param>
public sealed record CheckpointManifest(long Step, IReadOnlyList<CheckpointFile> Files, CheckpointContent Content)
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "manifest.json";

    /// <summary>Version of the checkpoint's format that this program writes.</summary>
    public const int Format = 3;

    /// <summary>The oldest that it reads: the same, but for SHA-256 of every file.</summary>
    public const int OldestFormat = 2;

    /// <summary>Bytes of the longest manifest that is written and read.</summary>
    public const long MostBytes = 1L << 30;

    /// <summary>Versions of what wrote the checkpoint, by name.</summary>
    public IReadOnlyDictionary<string, string> Versions => Content.Versions;

    /// <summary>Bytes of all files.</summary>
    public long ByteCount => Files.Sum(file => file.ByteCount);

    /// <summary>The manifest as JSON.</summary>
    /// <param name="mostBytes">How long it may be.</param>
    /// <exception cref="InvalidDataException">It would be longer, so that nobody could read it.</exception>
    internal byte[] ToJson(long mostBytes = MostBytes) => ManifestJson.Write(this, mostBytes);

    /// <summary>Reads the manifest of a checkpoint.</summary>
    /// <exception cref="InvalidDataException">It is missing, damaged, or of another format; the message does not name the path.</exception>
    internal static CheckpointManifest Read(string checkpointPath)
    {
        var file = new FileInfo(Path.Combine(checkpointPath, FileName));
        if (!file.Exists)
        {
            throw new InvalidDataException($"{FileName} is missing; writing was cut off before it");
        }

        if (file.Length > MostBytes)
        {
            throw new InvalidDataException($"{FileName} has {file.Length} bytes; at most {MostBytes} are sensible");
        }

        return ManifestJson.Read(File.ReadAllBytes(file.FullName));
    }
}
