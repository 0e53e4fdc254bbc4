using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Checkpoints.Safetensors;
using KvShiftScale.Core.Files;

namespace KvShiftScale.Checkpoints.Verification;

/// <summary>How much of a checkpoint is compared with its manifest.</summary>
public enum VerificationDepth
{
    /// <summary>That files are there, with their lengths.</summary>
    Lengths,

    /// <summary>All but the slices of tensors, whose hashes whoever loads them has to compare.</summary>
    AllButSlices,

    /// <summary>Every byte.</summary>
    Everything,
}

/// <summary>Something in a checkpoint that is not as it was written.</summary>
/// <param name="File">Name of the file below the checkpoint.</param>
/// <param name="Tensor">The global tensor that is changed; null where the fault is not in a tensor.</param>
/// <param name="Reason">What is wrong.</param>
public sealed record CheckpointFault(string File, string? Tensor, string Reason)
{
    /// <summary>File, tensor and reason as one line of text.</summary>
    public override string ToString() => Tensor is null ? $"{File}: {Reason}" : $"{File}: tensor '{Tensor}' {Reason}";
}

/// <summary>Compares every byte of a checkpoint with what was written, and names what differs.</summary>
public static class CheckpointVerification
{
    private const int PieceBytes = 4 << 20;

    /// <summary>Reads all of a checkpoint.</summary>
    /// <param name="directory">Its folder.</param>
    /// <param name="progress">Told the bytes read of the files so far and in all.</param>
    /// <returns>What is wrong; nothing where all is good.</returns>
    public static IReadOnlyList<CheckpointFault> Run(string directory, Action<long, long>? progress = null)
    {
        CheckpointManifest manifest;
        bool hasItsChecksum;
        try
        {
            manifest = CheckpointManifest.Read(directory);
            hasItsChecksum = ManifestJson.HasItsChecksum(File.ReadAllBytes(Path.Combine(directory, CheckpointManifest.FileName)));
        }
        catch (InvalidDataException error)
        {
            return [new CheckpointFault(CheckpointManifest.FileName, null, Beheaded(error.Message))];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [new CheckpointFault(CheckpointManifest.FileName, null, Unreadable(error))];
        }

        var faults = new List<CheckpointFault>();
        if (!hasItsChecksum)
        {
            faults.Add(new CheckpointFault(CheckpointManifest.FileName, null, "has another SHA-256 checksum than it says; it is damaged"));
        }

        var read = 0L;
        foreach (var file in manifest.Files)
        {
            if (CheckFile(directory, file) is { } reason)
            {
                var tensors = ChangedTensors(directory, manifest, file.Name).ToList();
                faults.AddRange(tensors.Count > 0 ? tensors : [new CheckpointFault(file.Name, null, reason)]);
            }

            read += file.ByteCount;
            progress?.Invoke(read, manifest.ByteCount);
        }

        return faults;
    }

    /// <summary>
    /// What is wrong with a file, as a sentence that begins behind its name; null where it is as it was written. That it cannot be read is
    /// one of these: whoever looks for a checkpoint takes another then.
    /// </summary>
    internal static string? CheckFile(string directory, CheckpointFile expected, VerificationDepth depth = VerificationDepth.Everything)
    {
        try
        {
            return Difference(directory, expected, depth);
        }
        catch (Exception error) when (error is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            return Unreadable(error);
        }
    }

    private static string? Difference(string directory, CheckpointFile expected, VerificationDepth depth)
    {
        var file = new FileInfo(Path.Combine(directory, expected.Name));
        if (!file.Exists)
        {
            return "is missing";
        }

        if (file.Length != expected.ByteCount)
        {
            return $"has {file.Length} bytes; {expected.ByteCount} were written";
        }

        if (depth == VerificationDepth.Lengths)
        {
            return null;
        }

        if (expected.HeadSha256 is null)
        {
            return FileChecksum.Sha256OfFile(file.FullName) == expected.Checksum
                ? null
                : "has another SHA-256 checksum than when it was written; it is damaged";
        }

        if (SafetensorsReader.HeadSha256(file.FullName) != expected.HeadSha256)
        {
            return "has another header than when it was written; it is damaged";
        }

        return depth < VerificationDepth.Everything || FileChecksum.OfFile(file.FullName) == expected.Checksum
            ? null
            : "has another checksum than when it was written; it is damaged";
    }

    private static string Unreadable(Exception error) => $"cannot be read ({error.Message})";

    // The file's name stands apart in a fault.
    private static string Beheaded(string message) => message.StartsWith(CheckpointManifest.FileName, StringComparison.Ordinal)
        ? message[CheckpointManifest.FileName.Length..].TrimStart(' ', ':')
        : message;

    private static IEnumerable<CheckpointFault> ChangedTensors(string directory, CheckpointManifest manifest, string file)
    {
        var held = manifest.Content.Tensors.SelectMany(tensor => tensor.Slices, (tensor, slice) => (tensor, slice)).Where(pair => pair.slice.File == file).ToList();
        if (held.Count == 0 || !File.Exists(Path.Combine(directory, file)))
        {
            yield break;
        }

        SafetensorsReader reader;
        string? fault = null;
        try
        {
            reader = SafetensorsReader.Open(Path.Combine(directory, file));
        }
        catch (Exception error) when (error is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            // The header itself, or all of the file: no tensor can be told from another.
            yield break;
        }

        using (reader)
        {
            foreach (var (tensor, slice) in held)
            {
                try
                {
                    fault = HashOf(reader, tensor, slice) == slice.Hash ? null : $"is changed in '{slice.Entry}'";
                }
                catch (Exception error) when (error is InvalidDataException or IOException or UnauthorizedAccessException)
                {
                    fault = Unreadable(error);
                }

                if (fault is not null)
                {
                    yield return new CheckpointFault(file, tensor.Name, fault);
                }
            }
        }
    }

    private static ulong HashOf(SafetensorsReader reader, CheckpointTensor tensor, TensorSlice slice)
    {
        var entry = reader.Entry(slice.Entry);
        var width = tensor.Entry.ElementByteCount;
        if (entry.Type != tensor.Type || entry.ByteCount != slice.Runs.ElementCount * width)
        {
            throw new InvalidDataException($"it is {entry}");
        }

        var name = ElementHash.OfName(tensor.Name);
        var buffer = new byte[Math.Min(PieceBytes, entry.ByteCount)];
        var hash = 0UL;
        for (var done = 0L; done < entry.ByteCount; done += buffer.Length)
        {
            var piece = buffer.AsSpan(0, (int)Math.Min(buffer.Length, entry.ByteCount - done));
            reader.Read(slice.Entry, piece, done);
            hash = unchecked(hash + ElementHash.Of(name, slice.Runs, done / width, piece, width));
        }

        return hash;
    }
}
