using System.Buffers;
using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Checkpoints.Safetensors;
using KvShiftScale.Core.Faults;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Checkpoints.Slices;

/// <summary>
/// The global tensors of a checkpoint, read in any part, whatever the parts are in which they were written. Files are opened when a
/// part of them is first wanted; only the bytes wanted are read, and small gaps between them. Several threads may read at a time.
/// </summary>
public sealed class CheckpointTensors : IDisposable
{
    // Runs of a file that are nearer to each other than this are read as one: about what a disk reads in the time of a seek.
    private const long WorthReading = 64 << 10;

    // Bytes read at a time where runs are gathered; large enough for parallel file systems.
    private const int GatheredBytes = 8 << 20;

    // Of a tensor at a time: large enough for runs to be gathered, whichever way the elements go.
    private const long GatheredElements = 4 << 20;

    private readonly string _directory;
    private readonly Dictionary<string, CheckpointTensor> _tensors;
    private readonly Dictionary<string, SafetensorsReader> _files = [];

    private CheckpointTensors(string directory, CheckpointManifest manifest)
    {
        _directory = directory;
        Manifest = manifest;
        _tensors = manifest.Content.Tensors.ToDictionary(tensor => tensor.Name);
    }

    /// <summary>The manifest.</summary>
    public CheckpointManifest Manifest { get; }

    /// <summary>The checkpoint's manifest, for messages.</summary>
    public string Source => Path.Combine(_directory, CheckpointManifest.FileName);

    /// <summary>All tensors.</summary>
    public IReadOnlyCollection<CheckpointTensor> All => _tensors.Values;

    /// <summary>Whether a folder is a checkpoint, good or not.</summary>
    public static bool IsCheckpoint(string directory) => File.Exists(Path.Combine(directory, CheckpointManifest.FileName));

    /// <summary>Opens a checkpoint. Checksums of its files are not looked at.</summary>
    /// <exception cref="InvalidDataException">Its manifest is missing or damaged.</exception>
    public static CheckpointTensors Open(string directory)
    {
        InjectedFaults.Reach("checkpoint.open");
        try
        {
            return new CheckpointTensors(directory, CheckpointManifest.Read(directory));
        }
        catch (InvalidDataException error)
        {
            throw new InvalidDataException($"{directory}: {error.Message}", error);
        }
    }

    /// <summary>Whether there is a tensor of that name.</summary>
    public bool Contains(string name) => _tensors.ContainsKey(name);

    /// <summary>A tensor by its name.</summary>
    /// <exception cref="InvalidDataException">There is none.</exception>
    public CheckpointTensor Find(string name) => _tensors.TryGetValue(name, out var tensor)
        ? tensor
        : throw new InvalidDataException($"{Source}: has no tensor '{name}' among its {_tensors.Count}. It belongs to another model.");

    /// <summary>Reads elements of a tensor.</summary>
    /// <param name="name">The tensor.</param>
    /// <param name="runs">Which elements.</param>
    /// <param name="packed">Receives them one after the other, in the tensor's own element type.</param>
    /// <exception cref="InvalidDataException">The tensor, a file or some of the elements are not there.</exception>
    public void Read(string name, ElementRuns runs, Span<byte> packed)
    {
        var tensor = Find(name);
        var width = tensor.Entry.ElementByteCount;
        if (packed.Length != runs.ElementCount * width)
        {
            throw new ArgumentException($"{packed.Length} bytes of room for {runs.ElementCount} elements of {width}", nameof(packed));
        }

        if (runs.Start < 0 || runs.End > tensor.ElementCount)
        {
            throw new ArgumentOutOfRangeException(nameof(runs), runs, $"'{name}' has {tensor.ElementCount} elements.");
        }

        var found = 0L;
        foreach (var slice in tensor.Slices)
        {
            if (slice.Runs.End <= runs.Start || slice.Runs.Start >= runs.End)
            {
                continue;
            }

            found += Read(Open(tensor, slice), slice.Entry, Overlaps(slice.Runs, runs), width, packed);
        }

        if (found != runs.ElementCount)
        {
            throw new InvalidDataException($"{Source}: slices of '{name}' hold {found} of {runs.ElementCount} elements that are wanted. The manifest is damaged.");
        }
    }

    /// <summary>Fills a flat tensor with elements, converted where the types differ.</summary>
    /// <param name="name">The stored tensor.</param>
    /// <param name="runs">Which of its elements; as many as the destination has.</param>
    /// <param name="destination">Receives them one after the other.</param>
    /// <exception cref="InvalidDataException">The tensor, a file or some of the elements are not there.</exception>
    public void ReadElements(string name, ElementRuns runs, Tensor destination)
        => TensorFile.Fill(destination, TensorFile.ScalarTypeOf(Find(name).Type, Source, name), GatheredElements, GatheredElements, (piece, start) =>
    {
        var done = 0L;
        foreach (var part in runs.Part(start, piece.numel()))
        {
            Read(name, part, piece.narrow(0, done, part.ElementCount).bytes);
            done += part.ElementCount;
        }
    });

    /// <summary>Closes all files.</summary>
    public void Dispose()
    {
        foreach (var reader in _files.Values)
        {
            reader.Dispose();
        }
    }

    /// <summary>What two selections have in common: places of it in the packed forms of both, rising in both.</summary>
    internal static IEnumerable<(long Stored, long Wanted, long Length)> Overlaps(ElementRuns stored, ElementRuns wanted)
    {
        for (var run = 0L; run < wanted.Count; run++)
        {
            var (begin, end) = (wanted.Start + run * wanted.Stride, wanted.Start + run * wanted.Stride + wanted.Length);
            // The first stored run that ends behind the beginning.
            var first = begin < stored.Start + stored.Length ? 0 : (begin - stored.Start - stored.Length) / stored.Stride + 1;
            for (var k = first; k < stored.Count; k++)
            {
                var storedBegin = stored.Start + k * stored.Stride;
                if (storedBegin >= end)
                {
                    break;
                }

                var (from, to) = (Math.Max(begin, storedBegin), Math.Min(end, storedBegin + stored.Length));
                yield return (k * stored.Length + from - storedBegin, run * wanted.Length + from - begin, to - from);
            }
        }
    }

    // Neighbouring pieces are gathered until their span is as large as the buffer, then read at once. A piece that is larger goes
    // straight to its place.
    private static long Read(SafetensorsReader reader, string entry, IEnumerable<(long Stored, long Wanted, long Length)> pieces, int width,
        Span<byte> packed)
    {
        var found = 0L;
        var group = new List<(long Stored, long Wanted, long Length)>();
        var buffer = ArrayPool<byte>.Shared.Rent(GatheredBytes);
        try
        {
            foreach (var piece in pieces)
            {
                found += piece.Length;
                if (group.Count > 0)
                {
                    var last = group[^1];
                    var isNear = (piece.Stored - last.Stored - last.Length) * width <= WorthReading;
                    if (!isNear || (piece.Stored + piece.Length - group[0].Stored) * width > GatheredBytes)
                    {
                        Flush(packed);
                    }
                }

                group.Add(piece);
            }

            Flush(packed);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return found;

        void Flush(Span<byte> destination)
        {
            if (group.Count == 1)
            {
                var (stored, wanted, length) = group[0];
                reader.Read(entry, destination.Slice((int)(wanted * width), (int)(length * width)), stored * width);
            }
            else if (group.Count > 1)
            {
                var span = buffer.AsSpan(0, (int)((group[^1].Stored + group[^1].Length - group[0].Stored) * width));
                reader.Read(entry, span, group[0].Stored * width);
                foreach (var (stored, wanted, length) in group)
                {
                    span.Slice((int)((stored - group[0].Stored) * width), (int)(length * width)).CopyTo(destination[(int)(wanted * width)..]);
                }
            }

            group.Clear();
        }
    }

    private SafetensorsReader Open(CheckpointTensor tensor, TensorSlice slice)
    {
        SafetensorsReader? reader;
        lock (_files)
        {
            if (!_files.TryGetValue(slice.File, out reader))
            {
                var path = Path.Combine(_directory, slice.File);
                if (!File.Exists(path))
                {
                    throw new InvalidDataException($"{path} is missing; it holds a part of '{tensor.Name}'");
                }

                reader = SafetensorsReader.Open(path);
                _files.Add(slice.File, reader);
            }
        }

        var entry = reader.Entry(slice.Entry);
        if (entry.Type != tensor.Type || entry.ByteCount != slice.Runs.ElementCount * entry.ElementByteCount)
        {
            throw new InvalidDataException(
                $"{Path.Combine(_directory, slice.File)}: '{slice.Entry}' is {entry}; {CheckpointManifest.FileName} says {slice.Runs.ElementCount} elements of {tensor.Entry.TypeName}");
        }

        return reader;
    }
}
