using KvShiftScale.Data.Decompression;

namespace KvShiftScale.Data.Corpus;

/// <summary>Some bytes, and then those of a stream, which stays open.</summary>
internal sealed class PrefixedStream(byte[] prefix, Stream rest) : ForwardStream
{
    private int _used;

    public override int Read(Span<byte> buffer)
    {
        if (_used == prefix.Length)
        {
            return rest.Read(buffer);
        }

        var count = Math.Min(buffer.Length, prefix.Length - _used);
        prefix.AsSpan(_used, count).CopyTo(buffer);
        _used += count;
        return count;
    }
}
