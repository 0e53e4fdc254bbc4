namespace Parquet.Columns;

/// <summary>Reads the bytes of one column chunk after the other, ahead of what is asked for, through one buffer.</summary>
internal sealed class ChunkWindow
{
    private const int ReadAhead = 256 * 1024;

    private ByteSource? _source;
    private long _end;
    private byte[] _buffer = [];
    private int _head;
    private int _count;

    /// <summary>Position in the file of the first byte not yet consumed.</summary>
    public long Offset { get; private set; }

    /// <summary>Bytes of the chunk from <see cref="Offset"/> on.</summary>
    public long Remaining => _end - Offset;

    /// <summary>Bytes at hand, valid until the next <see cref="EnsureAsync"/>.</summary>
    public ReadOnlyMemory<byte> Available => _buffer.AsMemory(_head, _count);

    /// <summary>Begins with the bytes of <paramref name="source"/> from <paramref name="start"/> to <paramref name="end"/>.</summary>
    public void Open(ByteSource source, long start, long end)
    {
        _source = source;
        _end = end;
        Offset = start;
        _head = 0;
        _count = 0;
    }

    /// <summary>Lets go of the source; the buffer stays for the next one.</summary>
    public void Close() => _source = null;

    /// <summary>Brings <paramref name="byteCount"/> bytes to hand, at most <see cref="Remaining"/>.</summary>
    public async ValueTask EnsureAsync(int byteCount, CancellationToken cancellationToken)
    {
        if (_count >= byteCount)
        {
            return;
        }

        var wanted = (int)Math.Min(Remaining, Math.Max(byteCount, ReadAhead));
        MakeRoom(wanted);
        await _source!.ReadAsync(Offset + _count, _buffer.AsMemory(_count, wanted - _count), cancellationToken).ConfigureAwait(false);
        _count = wanted;
    }

    public void Consume(int byteCount)
    {
        _head += byteCount;
        _count -= byteCount;
        Offset += byteCount;
    }

    /// <summary>Passes over bytes, whether at hand or not.</summary>
    public void Skip(int byteCount)
    {
        var atHand = Math.Min(byteCount, _count);
        Consume(atHand);
        Offset += byteCount - atHand;
    }

    // Moves what is at hand to the front of a buffer of at least `size` bytes, with some room for pages that are a little larger.
    private void MakeRoom(int size)
    {
        if (_buffer.Length >= size)
        {
            _buffer.AsSpan(_head, _count).CopyTo(_buffer);
        }
        else
        {
            var larger = GC.AllocateUninitializedArray<byte>((int)Math.Min(Array.MaxLength, Math.Max(size + (size / 4L), ReadAhead)));
            _buffer.AsSpan(_head, _count).CopyTo(larger);
            _buffer = larger;
        }

        _head = 0;
    }
}
