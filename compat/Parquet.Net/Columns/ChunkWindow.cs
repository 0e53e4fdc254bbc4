using System.Buffers;

namespace Parquet.Columns;

/// <summary>Reads the bytes of one column chunk in order, ahead of what is asked for, through one pooled buffer.</summary>
internal sealed class ChunkWindow(ByteSource source, long start, long end) : IDisposable
{
    private const int ReadAhead = 256 * 1024;

    private byte[] _buffer = [];
    private int _head;
    private int _count;

    /// <summary>Position in the file of the first byte not yet consumed.</summary>
    public long Offset { get; private set; } = start;

    /// <summary>Bytes of the chunk from <see cref="Offset"/> on.</summary>
    public long Remaining => end - Offset;

    /// <summary>Bytes at hand, valid until the next <see cref="EnsureAsync"/>.</summary>
    public ReadOnlyMemory<byte> Available => _buffer.AsMemory(_head, _count);

    /// <summary>Brings <paramref name="byteCount"/> bytes to hand, at most <see cref="Remaining"/>.</summary>
    public async ValueTask EnsureAsync(int byteCount, CancellationToken cancellationToken)
    {
        if (_count >= byteCount)
        {
            return;
        }

        var wanted = (int)Math.Min(Remaining, Math.Max(byteCount, ReadAhead));
        MakeRoom(wanted);
        await source.ReadAsync(Offset + _count, _buffer.AsMemory(_count, wanted - _count), cancellationToken).ConfigureAwait(false);
        _count = wanted;
    }

    public void Consume(int byteCount)
    {
        _head += byteCount;
        _count -= byteCount;
        Offset += byteCount;
    }

    public void Dispose()
    {
        if (_buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = [];
        }
    }

    // Moves what is at hand to the front of a buffer of at least `size` bytes.
    private void MakeRoom(int size)
    {
        if (_buffer.Length >= size)
        {
            _buffer.AsSpan(_head, _count).CopyTo(_buffer);
        }
        else
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(size, ReadAhead));
            _buffer.AsSpan(_head, _count).CopyTo(larger);
            Dispose();
            _buffer = larger;
        }

        _head = 0;
    }
}
