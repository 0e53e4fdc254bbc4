using System.Security.Cryptography;
using KvShiftScale.Trainer.Checkpoints;
using KvShiftScale.Trainer.ModelFiles;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Training;

/// <summary>Slices of global tensors to and from memory, a bounded piece at a time.</summary>
internal static class SliceFile
{
    // Elements at a time: far below the 2 GiB of Tensor.bytes, and of a size that goes to the disk at its full speed.
    private const long PieceElements = 1 << 20;

    /// <summary>
    /// Writes slices to a new file and forces it to the disk, while a second thread reckons their hashes: neither has to wait for the
    /// other, since nobody changes the slices meanwhile.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="slices">What to write, in host memory, under different names or of different elements.</param>
    /// <param name="yields">Let threads that train go first.</param>
    /// <param name="stop">Ends the work between two pieces.</param>
    /// <returns>The file, and its tensors with the slices that it holds.</returns>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static (CheckpointFile File, IReadOnlyList<CheckpointTensor> Tensors) Write(string path, IReadOnlyList<HeldSlice> slices, bool yields = false,
        CancellationToken stop = default)
    {
        var byEntry = slices.ToDictionary(slice => EntryOf(slice).Name);
        using var failure = CancellationTokenSource.CreateLinkedTokenSource(stop);
        using var writer = new SafetensorsWriter(path, byEntry.Values.Select(EntryOf));
        HeldSlice[] inOrder = [.. writer.Entries.Select(entry => byEntry[entry.Name])];
        var hashing = BackgroundThread.Start(() => Hash(writer.Head, inOrder, failure.Token), yields);
        var isWritten = false;
        try
        {
            foreach (var (entry, slice) in writer.Entries.Zip(inOrder)) ForEachPiece(slice, (bytes, _) => writer.Write(entry.Name, bytes), stop);
            writer.Complete();
            isWritten = true;
        }
        finally
        {
            if (!isWritten) failure.Cancel();
            // The slices may be gone after this.
            Task.WaitAny(hashing);
        }
        var (checksum, hashes) = hashing.GetAwaiter().GetResult();
        var fileName = Path.GetFileName(path);
        return (new CheckpointFile(fileName, new FileInfo(path).Length, checksum), [.. inOrder.Zip(writer.Entries, hashes).Select(written =>
            new CheckpointTensor(written.First.Name, written.Second.Type, written.First.Shape,
                [new TensorSlice(fileName, written.Second.Name, written.First.Runs, written.Third)]))]);
    }

    /// <summary>Sum of the hashes of a slice's elements.</summary>
    public static ulong HashOf(HeldSlice slice)
    {
        var (name, width, hash) = (ElementHash.OfName(slice.Name), EntryOf(slice).ElementByteCount, 0UL);
        ForEachPiece(slice, (bytes, first) => hash = unchecked(hash + ElementHash.Of(name, slice.Runs, first, bytes, width)));
        return hash;
    }

    /// <summary>Bytes of a slice in a file.</summary>
    public static long ByteCountOf(HeldSlice slice) => EntryOf(slice).ByteCount;

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

    // Both hashes of a piece while it is in the cache: the file's checksum, and the sum of each slice.
    private static (string Checksum, ulong[] Hashes) Hash(ReadOnlyMemory<byte> head, HeldSlice[] slices, CancellationToken stop)
    {
        using var checksum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        checksum.AppendData(head.Span);
        var hashes = new ulong[slices.Length];
        for (var i = 0; i < slices.Length; i++)
        {
            var (slice, name, width, hash) = (slices[i], ElementHash.OfName(slices[i].Name), EntryOf(slices[i]).ElementByteCount, 0UL);
            ForEachPiece(slice, (bytes, first) =>
            {
                checksum.AppendData(bytes);
                hash = unchecked(hash + ElementHash.Of(name, slice.Runs, first, bytes, width));
            }, stop);
            hashes[i] = hash;
        }
        return (Convert.ToHexStringLower(checksum.GetHashAndReset()), hashes);
    }

    private static void ForEachPiece(HeldSlice slice, PieceAction action, CancellationToken stop = default)
    {
        using var mode = no_grad();
        for (var first = 0L; first < slice.Runs.ElementCount; first += PieceElements)
        {
            stop.ThrowIfCancellationRequested();
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
