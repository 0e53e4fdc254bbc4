using System.IO.Compression;

namespace KvShiftScale.Data.Decompression;

/// <summary>
/// Decompresses gzip and fails where <see cref="GZipStream"/>, by default, takes a file that was cut off for one that ends there.
/// </summary>
/// <remarks>
/// Gzip files may be joined, so one with a known mark is joined to the end of the input. The mark comes out as the last bytes, and is taken
/// off, only if all before it was complete: inside an unfinished stream its bytes are read as something else.
/// </remarks>
internal sealed class CompleteGZipStream : ForwardStream
{
    private static readonly byte[] Mark = "kvshift: end of the compressed file"u8.ToArray();

    private readonly GZipStream _decompressed;
    private readonly byte[] _buffer = new byte[1 << 16];
    private int _start;
    private int _end;
    private bool _ended;

    public CompleteGZipStream(Stream compressed)
    {
        var mark = new MemoryStream();
        using (var writer = new GZipStream(mark, CompressionLevel.Optimal, leaveOpen: true))
        {
            writer.Write(Mark);
        }

        mark.Position = 0;
        _decompressed = new GZipStream(new JoinedStream(compressed, mark), CompressionMode.Decompress);
    }

    /// <exception cref="InvalidDataException">The data is not gzip, is damaged, or ends too early.</exception>
    public override int Read(Span<byte> buffer)
    {
        while (!_ended && _end - _start <= Mark.Length)
        {
            Fill();
        }

        var count = Math.Min(buffer.Length, _end - _start - (_ended ? 0 : Mark.Length));
        _buffer.AsSpan(_start, count).CopyTo(buffer);
        _start += count;
        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _decompressed.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>Keeps what was held back, which may be the mark, at the front of the buffer and reads on behind it.</summary>
    private void Fill()
    {
        _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
        _end -= _start;
        _start = 0;
        var count = _decompressed.Read(_buffer, _end, _buffer.Length - _end);
        _end += count;
        if (count > 0)
        {
            return;
        }

        if (!_buffer.AsSpan(0, _end).EndsWith(Mark))
        {
            throw new InvalidDataException("The compressed data is cut off, or other data follows it; expected whole gzip members only.");
        }

        _end -= Mark.Length;
        _ended = true;
    }

    private sealed class JoinedStream(Stream first, Stream second) : ForwardStream
    {
        public override int Read(Span<byte> buffer)
            => first.Read(buffer) is var count and > 0 ? count : second.Read(buffer);

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                first.Dispose();
                second.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
