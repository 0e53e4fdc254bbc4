using ZstdSharp;

namespace KvShiftScale.Data.Decompression;

/// <summary>Decompresses zstd frames, one after the other, and fails where a frame is cut off. Memory: the frame's window, at most 128 MiB.</summary>
internal sealed class ZstdReadStream(Stream compressed) : ForwardStream
{
    private readonly DecompressionStream _decompressed = new(compressed, bufferSize: 1 << 17, checkEndOfStream: true, leaveOpen: false);

    /// <exception cref="InvalidDataException">The data is not zstd, is damaged, ends too early, or needs a larger window.</exception>
    public override int Read(Span<byte> buffer)
    {
        try
        {
            return _decompressed.Read(buffer);
        }
        catch (EndOfStreamException exception)
        {
            throw new InvalidDataException("The compressed data is cut off inside a zstd frame; expected whole frames.", exception);
        }
        catch (ZstdException exception)
        {
            throw new InvalidDataException(
                $"zstd cannot decompress it: {exception.Message}. Windows of more than 128 MiB (zstd --long=28 and above) are not read.", exception);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _decompressed.Dispose();
        }

        base.Dispose(disposing);
    }
}
