using System.Security.Cryptography;
using KvShiftScale.Trainer.Checkpoints;
using KvShiftScale.Trainer.ModelFiles;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Training;

/// <summary>Slices of global tensors to and from memory, a bounded piece at a time.</summary>
internal static class SliceFile
{
    // Elements at a time: far below the 2 GiB of Tensor.bytes, and of a size that goes to the disk at its full speed.
    private const long PieceElements = 4 << 20;

    /// <summary>Writes slices to a new file and forces it to the disk.</summary>
    /// <returns>The file, and its tensors with the slices that it holds.</returns>
    public static (CheckpointFile File, IReadOnlyList<CheckpointTensor> Tensors) Write(string path, IReadOnlyList<HeldSlice> slices)
    {
        using var mode = no_grad();
        var fileName = Path.GetFileName(path);
        using var checksum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var entries = slices.Select(slice => (Slice: slice, Entry: EntryOf(slice))).ToDictionary(pair => pair.Entry.Name);
        var tensors = new List<CheckpointTensor>();
        using (var writer = new SafetensorsWriter(path, entries.Values.Select(pair => pair.Entry), checksum: checksum))
        {
            foreach (var entry in writer.Entries)
            {
                var slice = entries[entry.Name].Slice;
                var hash = 0UL;
                ForEachPiece(slice, (bytes, first) =>
                {
                    writer.Write(entry.Name, bytes);
                    hash = unchecked(hash + ElementHash.Of(ElementHash.OfName(slice.Name), slice.Runs, first, bytes, entry.ElementByteCount));
                });
                tensors.Add(new CheckpointTensor(slice.Name, entry.Type, slice.Shape, [new TensorSlice(fileName, entry.Name, slice.Runs, hash)]));
            }
            writer.Complete();
        }
        return (new CheckpointFile(fileName, new FileInfo(path).Length, Convert.ToHexStringLower(checksum.GetHashAndReset())), tensors);
    }

    /// <summary>Sum of the hashes of a slice's elements.</summary>
    public static ulong HashOf(HeldSlice slice)
    {
        var (name, width, hash) = (ElementHash.OfName(slice.Name), EntryOf(slice).ElementByteCount, 0UL);
        ForEachPiece(slice, (bytes, first) => hash = unchecked(hash + ElementHash.Of(name, slice.Runs, first, bytes, width)));
        return hash;
    }

    /// <summary>Fills a slice from a checkpoint, converted where the element types differ.</summary>
    /// <exception cref="InvalidDataException">The tensor is not there or has another shape.</exception>
    public static void Read(CheckpointTensors tensors, HeldSlice slice)
    {
        var entry = tensors.Find(slice.Name).Entry;
        if (!entry.Shape.SequenceEqual(slice.Shape))
        {
            throw new InvalidDataException(
                $"{tensors.Source}: '{slice.Name}' is {entry}; the model's configuration makes it [{string.Join(", ", slice.Shape)}]. The two do not belong together.");
        }
        TensorFile.ReadElements(tensors, slice.Name, slice.Runs, slice.Values);
    }

    private delegate void PieceAction(ReadOnlySpan<byte> bytes, long first);

    private static void ForEachPiece(HeldSlice slice, PieceAction action)
    {
        for (var first = 0L; first < slice.Runs.ElementCount; first += PieceElements)
        {
            using var scope = NewDisposeScope();
            action(slice.Values.narrow(0, first, Math.Min(PieceElements, slice.Runs.ElementCount - first)).cpu().bytes, first);
        }
    }

    // A whole tensor keeps its name and shape, so that the file of a single rank is what other programs read.
    private static SafetensorsEntry EntryOf(HeldSlice slice)
    {
        var type = TensorFile.TypeOf(slice.Values.dtype);
        if (slice.Runs.ElementCount == slice.Shape.Aggregate(1L, (product, extent) => product * extent)) return new SafetensorsEntry(slice.Name, type, slice.Shape);
        return new SafetensorsEntry(FormattableString.Invariant($"{slice.Name}@{slice.Runs.Start}"), type,
            slice.Runs.Count == 1 ? [slice.Runs.Length] : [slice.Runs.Count, slice.Runs.Length]);
    }
}
