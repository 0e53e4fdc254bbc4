using KvShiftScale.Core.Faults;
using KvShiftScale.Core.Progress;

namespace KvShiftScale.Checkpoints.Safetensors;

/// <summary>
/// Writes a safetensors file as a stream: what <see cref="SafetensorsHead"/> has, then the tensors without gaps.
/// </summary>
public sealed class SafetensorsWriter : IDisposable
{
    private readonly FileStream _file;
    private readonly string _path;
    private int _current;
    private long _remaining;

    /// <summary>Creates the file, or empties it, and writes the header.</summary>
    /// <param name="path">The file.</param>
    /// <param name="entries">Every tensor that will be written.</param>
    /// <param name="metadata">Texts that the header carries.</param>
    /// <exception cref="ArgumentException">A name stands twice, is the reserved one, or a shape is negative.</exception>
    /// <exception cref="IOException">The file cannot be made, or the disk has no room for all of it.</exception>
    public SafetensorsWriter(string path, IEnumerable<SafetensorsEntry> entries, IReadOnlyDictionary<string, string>? metadata = null)
    {
        _path = path;
        var head = new SafetensorsHead(path, entries, metadata);
        Entries = head.Entries;
        _file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            Share = FileShare.Read,
            BufferSize = 1 << 16,
            // A full disk is better known before the first byte than after the last.
            PreallocationSize = head.FileByteCount,
        });
        Append(head.Bytes.Span);
        Start(0);
    }

    /// <summary>The tensors in the order in which their bytes must be written.</summary>
    public IReadOnlyList<SafetensorsEntry> Entries { get; }

    /// <summary>Writes the next piece of a tensor; a large one may come in many pieces.</summary>
    /// <param name="name">The tensor, for the check that bytes come in the order of <see cref="Entries"/>.</param>
    /// <param name="bytes">Elements in row-major order, little-endian.</param>
    /// <exception cref="InvalidOperationException">Another tensor is due, or the tensor has fewer bytes.</exception>
    public void Write(string name, ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
        {
            return;
        }

        if (_current == Entries.Count || Entries[_current].Name != name)
        {
            var due = _current == Entries.Count ? "no tensor" : $"'{Entries[_current].Name}'";
            throw new InvalidOperationException($"{_path}: bytes of '{name}' came where {due} is due. Write in the order of Entries.");
        }

        if (bytes.Length > _remaining)
        {
            throw new InvalidOperationException(
                $"{_path}: '{name}' is {Entries[_current]}; {bytes.Length - _remaining} bytes more came than it has.");
        }

        Append(bytes);
        RunProgress.Advance();
        _remaining -= bytes.Length;
        if (_remaining == 0)
        {
            Start(_current + 1);
        }
    }

    /// <summary>Checks that every byte has come and forces the file to the disk.</summary>
    /// <exception cref="InvalidOperationException">Bytes are missing.</exception>
    public void Complete()
    {
        if (_current < Entries.Count)
        {
            var entry = Entries[_current];
            throw new InvalidOperationException($"{_path}: '{entry.Name}' ({entry}) lacks {_remaining} bytes. Write all of every tensor.");
        }

        InjectedFaults.Reach("file.flush");
        _file.Flush(flushToDisk: true);
    }

    /// <summary>Closes the file. Without <see cref="Complete"/> it is not a valid one.</summary>
    public void Dispose() => _file.Dispose();

    private void Append(ReadOnlySpan<byte> bytes)
    {
        InjectedFaults.Reach("file.write");
        _file.Write(bytes);
    }

    /// <summary>Makes the first tensor from <paramref name="index"/> on that has bytes the current one.</summary>
    private void Start(int index)
    {
        while (index < Entries.Count && Entries[index].ByteCount == 0)
        {
            index++;
        }

        _current = index;
        _remaining = index < Entries.Count ? Entries[index].ByteCount : 0;
    }
}
