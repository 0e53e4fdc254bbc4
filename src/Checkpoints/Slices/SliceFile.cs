using System.Security.Cryptography;
using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Checkpoints.Safetensors;
using KvShiftScale.Core.Files;
using KvShiftScale.Core.Progress;
using static TorchSharp.torch;

namespace KvShiftScale.Checkpoints.Slices;

/// <summary>Slices of global tensors to and from memory, a bounded piece at a time.</summary>
internal static class SliceFile
{
    // Elements at a time where slices are hashed alone.
    private const long PieceElements = 1 << 20;

    // What is copied and hashed twice stays in a core's cache between these.
    private const long PartBytes = 512 << 10;

    /// <summary>Name of a rank's file in a checkpoint.</summary>
    public static string NameOf(int rank) => FormattableString.Invariant($"rank-{rank:D5}.safetensors");

    /// <summary>Writes slices to a new file and forces it to the disk. Each piece of the file is hashed and written by one of several threads.</summary>
    /// <param name="path">The file.</param>
    /// <param name="slices">What to write, in host memory, under different names or of different elements. Nobody changes them meanwhile.</param>
    /// <param name="threads">How many threads share the pieces.</param>
    /// <param name="stop">Ends the work between two pieces.</param>
    /// <returns>The file, and its tensors with the slices that it holds.</returns>
    /// <exception cref="IOException">The file cannot be made or written, or the disk has no room for all of it.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static (CheckpointFile File, IReadOnlyList<CheckpointTensor> Tensors) Write(string path, IReadOnlyList<HeldSlice> slices, int threads,
        CancellationToken stop = default)
    {
        var byEntry = slices.ToDictionary(slice => EntryOf(slice).Name);
        var head = new SafetensorsHead(path, byEntry.Values.Select(EntryOf));
        HeldSlice[] inOrder = [.. head.Entries.Select(entry => byEntry[entry.Name])];
        var pieces = new FilePieces(head, inOrder);
        using (var file = new UnbufferedFile(path, head.FileByteCount))
        {
            Crew.Share(threads, FileChecksum.PieceCount(head.FileByteCount), piece =>
            {
                pieces.Write(file, piece);
                RunProgress.Advance();
            }, stop);
            file.Flush();
        }
        var fileName = Path.GetFileName(path);
        var described = new CheckpointFile(fileName, head.FileByteCount, FileChecksum.Of(pieces.Checksums), Convert.ToHexStringLower(SHA256.HashData(head.Bytes.Span)));
        return (described, [.. inOrder.Zip(head.Entries, pieces.Hashes).Select(written =>
            new CheckpointTensor(written.First.Name, written.Second.Type, written.First.Shape,
                [new TensorSlice(fileName, written.Second.Name, written.First.Runs, written.Third)]))]);
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
        tensors.ReadElements(slice.Name, slice.Runs, slice.Values);
        RunProgress.Advance();
    }

    /// <summary>Sums of the hashes of slices, over each kind of tensor.</summary>
    /// <param name="slices">In host memory.</param>
    /// <param name="prefixes">Kinds, as <see cref="CheckpointTensor.KindOf"/> gives them.</param>
    /// <param name="threads">How many threads share the slices.</param>
    public static ulong[] HashesOf(IReadOnlyList<HeldSlice> slices, IReadOnlyList<string> prefixes, int threads)
    {
        var hashes = new ulong[slices.Count];
        Crew.Share(threads, slices.Count, i => hashes[i] = HashOf(slices[(int)i]));
        return [.. prefixes.Select(prefix => slices.Zip(hashes).Where(pair => CheckpointTensor.KindOf(pair.First.Name) == prefix)
            .Aggregate(0UL, (sum, pair) => unchecked(sum + pair.Second)))];
    }

    private static ulong HashOf(HeldSlice slice)
    {
        using var mode = no_grad();
        var (name, width, hash) = (ElementHash.OfName(slice.Name), EntryOf(slice).ElementByteCount, 0UL);
        for (var first = 0L; first < slice.Runs.ElementCount; first += PieceElements)
        {
            using var scope = NewDisposeScope();
            var bytes = slice.Values.narrow(0, first, Math.Min(PieceElements, slice.Runs.ElementCount - first)).cpu().bytes;
            hash = unchecked(hash + ElementHash.Of(name, slice.Runs, first, bytes, width));
        }

        return hash;
    }

    // A whole tensor keeps its name and shape, so that the file of a single rank is what other programs read.
    private static SafetensorsEntry EntryOf(HeldSlice slice)
    {
        var type = TensorFile.TypeOf(slice.Values.dtype);
        if (slice.Runs.ElementCount == slice.Shape.Aggregate(1L, (product, extent) => product * extent))
        {
            return new SafetensorsEntry(slice.Name, type, slice.Shape);
        }

        return new SafetensorsEntry(FormattableString.Invariant($"{slice.Name}@{slice.Runs.Start}"), type,
            slice.Runs.Count == 1 ? [slice.Runs.Length] : [slice.Runs.Count, slice.Runs.Length]);
    }

    // The file in pieces, each of which one thread writes: the head, and the slices one after the other.
    private sealed class FilePieces
    {
        private readonly SafetensorsHead _head;
        private readonly HeldSlice[] _slices;
        private readonly ulong[] _names;
        private readonly int[] _widths;

        // Where each slice begins, and the end of the last.
        private readonly long[] _begins;

        public FilePieces(SafetensorsHead head, HeldSlice[] slices)
        {
            (_head, _slices) = (head, slices);
            _names = [.. slices.Select(slice => ElementHash.OfName(slice.Name))];
            _widths = [.. head.Entries.Select(entry => entry.ElementByteCount)];
            _begins = new long[slices.Length + 1];
            _begins[0] = head.Bytes.Length;
            for (var i = 0; i < slices.Length; i++)
            {
                _begins[i + 1] = _begins[i] + head.Entries[i].ByteCount;
            }

            Checksums = new uint[FileChecksum.PieceCount(head.FileByteCount)];
            Hashes = new ulong[slices.Length];
        }

        /// <summary>CRC-32C of each piece that was written.</summary>
        public uint[] Checksums { get; }

        /// <summary>Sum of the hashes of each slice, as far as it was written.</summary>
        public ulong[] Hashes { get; }

        public void Write(UnbufferedFile file, long piece)
        {
            using var mode = no_grad();
            using var memory = file.Rent();
            var begin = piece * FileChecksum.PieceBytes;
            var count = (int)Math.Min(FileChecksum.PieceBytes, _head.FileByteCount - begin);
            Checksums[piece] = Fill(memory.Bytes[..count], begin);
            file.Write(memory, count, begin);
        }

        // What belongs at a place, hashed on its way; returns the CRC-32C.
        private uint Fill(Span<byte> target, long place)
        {
            var (checksum, end) = (0U, place + target.Length);
            if (place < _begins[0])
            {
                var bytes = _head.Bytes.Span[(int)place..(int)Math.Min(end, _begins[0])];
                Take(bytes, target);
                place += bytes.Length;
            }
            for (var i = place < end ? SliceAt(place) : 0; place < end; i++)
            {
                var hash = 0UL;
                while (place < Math.Min(end, _begins[i + 1]))
                {
                    using var scope = NewDisposeScope();
                    // Pieces, parts and slices begin at multiples of every element's size.
                    var (first, count) = ((place - _begins[i]) / _widths[i], Math.Min(PartBytes, Math.Min(end, _begins[i + 1]) - place) / _widths[i]);
                    var bytes = _slices[i].Values.narrow(0, first, count).cpu().bytes;
                    hash = unchecked(hash + ElementHash.Of(_names[i], _slices[i].Runs, first, bytes, _widths[i]));
                    Take(bytes, target[^(int)(end - place)..]);
                    place += bytes.Length;
                }
                // Sums do not depend on the order of the pieces.
                Interlocked.Add(ref Hashes[i], hash);
            }
            return checksum;

            void Take(ReadOnlySpan<byte> bytes, Span<byte> to)
            {
                checksum = FileChecksum.Append(checksum, bytes);
                bytes.CopyTo(to);
            }
        }

        // The last slice that begins there or before: one with bytes, since those without are passed over.
        private int SliceAt(long place)
        {
            var found = Array.BinarySearch(_begins, place);
            if (found < 0)
            {
                return ~found - 1;
            }

            while (_begins[found + 1] == place)
            {
                found++;
            }

            return found;
        }
    }
}
