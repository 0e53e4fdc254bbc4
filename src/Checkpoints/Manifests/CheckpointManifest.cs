using KvShiftScale.Core.Files;

namespace KvShiftScale.Checkpoints.Manifests;

/// <summary>One file of a checkpoint as its manifest has it. Checksums are in lower-case hexadecimal digits.</summary>
/// <param name="Name">Path below the checkpoint, with forward slashes.</param>
/// <param name="ByteCount">Length of the file.</param>
/// <param name="Checksum">SHA-256 of the content; where a head is named, <see cref="FileChecksum"/>.</param>
/// <param name="HeadSha256">
/// Of a safetensors file all of whose bytes behind the head are slices of the manifest: SHA-256 of its head. Such a file need not be
/// read apart before it is loaded. Null for others.
/// </param>
public sealed record CheckpointFile(string Name, long ByteCount, string Checksum, string? HeadSha256 = null);

/// <summary>The launch that wrote a checkpoint, for people; reading does not depend on it.</summary>
/// <param name="Ranks">Processes.</param>
/// <param name="Data">Data-parallel degree.</param>
/// <param name="Context">Context-parallel degree.</param>
/// <param name="Tensor">Tensor-parallel degree.</param>
/// <param name="OptimizerSharding"><c>none</c>, <c>zero1</c> or <c>zero2</c>.</param>
/// <param name="Precision"><c>fp32</c>, <c>bf16</c> or <c>fp64</c>.</param>
public sealed record CheckpointLayout(int Ranks, int Data, int Context, int Tensor, string OptimizerSharding, string Precision)
{
    /// <summary>Pipeline-parallel degree.</summary>
    public int Pipeline { get; init; } = 1;

    /// <inheritdoc/>
    public override string ToString()
        => $"{Ranks} {(Ranks == 1 ? "rank" : "ranks")}: {(Pipeline > 1 ? $"pipeline {Pipeline} x " : "")}data {Data} x context {Context} x tensor {Tensor}, optimizer_sharding {OptimizerSharding}, {Precision}";
}

/// <summary>What a checkpoint's manifest says beside the list of files.</summary>
public sealed record CheckpointContent
{
    /// <summary>Versions of what wrote the checkpoint, by name.</summary>
    public IReadOnlyDictionary<string, string> Versions { get; init; } = new Dictionary<string, string>();

    /// <summary>The launch that wrote it; null for one that was imported.</summary>
    public CheckpointLayout? Layout { get; init; }

    /// <summary>Global tensors, in the order of their names.</summary>
    public IReadOnlyList<CheckpointTensor> Tensors { get; init; } = [];

    /// <summary>Logits that the model gave on a fixed row when it was saved; none where it was not asked.</summary>
    public IReadOnlyList<double> ProbeLogits { get; init; } = [];

    /// <summary>First tokens of that row among which the logits are; null: all of the model's context, as it was once.</summary>
    public int? ProbeTokens { get; init; }

    /// <summary>Sum of the hashes of parameters or of one kind of moment.</summary>
    /// <param name="prefix">Beginning of their names; empty for parameters.</param>
    public ulong HashOf(string prefix)
        => Tensors.Where(tensor => CheckpointTensor.KindOf(tensor.Name) == prefix).Aggregate(0UL, (sum, tensor) => unchecked(sum + tensor.Hash));
}

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
