namespace KvShiftScale.Data.Text.Compression;

/// <summary>Decompresses zstd frames, one after the other, and fails where a frame is cut off. Memory: the frame's window, at most 128 MiB.</summary>
internal sealed class ZstdReadStream : ForwardStream
{
    private readonly Stream _compressed;
    private readonly ZstdStreamHandle _stream;
    private readonly byte[] _input = new byte[1 << 17];
    private int _start;
    private int _end;
    private bool _isInsideFrame;
    private bool _mayHoldMore;

    public ZstdReadStream(Stream compressed)
    {
        _compressed = compressed;
        try
        {
            _stream = new ZstdStreamHandle();
        }
        catch (DllNotFoundException missing)
        {
            throw new NotSupportedException($"Reading zstd needs the system's libzstd.so.1; install libzstd1. {missing.Message}", missing);
        }
    }

    /// <exception cref="InvalidDataException">The data is not zstd, is damaged, ends too early, or needs a larger window.</exception>
    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty)
        {
            return 0;
        }

        while (true)
        {
            // The library may keep output back for want of room; it is asked again before more input is read.
            if (_start == _end && !_mayHoldMore)
            {
                _start = 0;
                _end = _compressed.Read(_input);
                if (_end == 0)
                {
                    return _isInsideFrame
                        ? throw new InvalidDataException("The compressed data is cut off inside a zstd frame; expected whole frames.")
                        : 0;
                }
            }

            if (Decompress(buffer) is var count and > 0)
            {
                return count;
            }
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _stream.Dispose();
            _compressed.Dispose();
        }

        base.Dispose(disposing);
    }

    private unsafe int Decompress(Span<byte> buffer)
    {
        fixed (byte* target = buffer)
        fixed (byte* source = _input)
        {
            var output = new ZstdBuffer { Address = (nint)target, Size = (nuint)buffer.Length };
            var input = new ZstdBuffer { Address = (nint)source, Size = (nuint)_end, Position = (nuint)_start };
            var result = ZstdLibrary.ZSTD_decompressStream(_stream, ref output, ref input);
            if (ZstdLibrary.ZSTD_isError(result) != 0)
            {
                throw new InvalidDataException(
                    $"libzstd cannot decompress it: {ZstdLibrary.ErrorName(result)}. Windows of more than 128 MiB (zstd --long=28 and above) are not read.");
            }

            _start = (int)input.Position;
            _mayHoldMore = output.Position == output.Size;
            // A call that reads nothing, writes nothing and hints at the next frame does not begin one.
            _isInsideFrame = result != 0 && (_isInsideFrame || input.Position > 0 || output.Position > 0);
            return (int)output.Position;
        }
    }
}
