using System.Numerics;

namespace Parquet.Encodings;

/// <summary>
/// Decodes DELTA_BINARY_PACKED: block size, miniblocks per block, total count and first value; then blocks of a smallest delta, the
/// bit widths of their miniblocks, and the packed rest of each delta. Arithmetic wraps.
/// </summary>
internal static class DeltaDecoder
{
    // Miniblocks hold a multiple of this many values, so that many of any width end on a whole byte.
    private const int GroupLength = 32;

    /// <summary>Fills <paramref name="target"/>, which may be shorter than what is encoded; returns the bytes read.</summary>
    public static int Decode<T>(ReadOnlySpan<byte> data, Span<T> target)
        where T : unmanaged, IBinaryInteger<T>
    {
        var position = 0;
        var header = ReadHeader(data, ref position);
        if (header.Count < (ulong)target.Length)
        {
            throw new DecodeException($"{header.Count} delta-encoded values where {target.Length} are needed");
        }

        if (target.IsEmpty)
        {
            return position;
        }

        var value = header.First;
        target[0] = T.CreateTruncating(value);
        var filled = 1;
        while (filled < target.Length)
        {
            var smallest = ReadZigZag(data, ref position);
            if (header.MiniblockCount > data.Length - position)
            {
                throw new DecodeException("the delta data ends inside a block");
            }

            var widths = data.Slice(position, header.MiniblockCount);
            position += header.MiniblockCount;
            for (var i = 0; i < widths.Length && filled < target.Length; i++)
            {
                var wanted = target.Slice(filled, Math.Min(target.Length - filled, header.MiniblockLength));
                position += DecodeMiniblock(data[position..], widths[i], header.MiniblockLength, smallest, ref value, wanted);
                filled += wanted.Length;
            }
        }

        return position;
    }

    private static int DecodeMiniblock<T>(ReadOnlySpan<byte> data, int width, int length, long smallest, ref long value, Span<T> target)
        where T : unmanaged, IBinaryInteger<T>
    {
        if (width > 64)
        {
            throw new DecodeException($"deltas of {width} bits");
        }

        // The last miniblock is padded to its length; some writers leave the padding out.
        var byteCount = Math.Min((long)length * width / 8, data.Length);
        if (byteCount * 8 < (long)target.Length * width)
        {
            throw new DecodeException("the delta data ends inside a miniblock");
        }

        Span<ulong> rests = stackalloc ulong[GroupLength];
        for (var at = 0; at < target.Length; at += GroupLength)
        {
            var count = Math.Min(GroupLength, target.Length - at);
            BitUnpacker.Unpack(data[(int)((long)at * width / 8)..], width, rests[..count]);
            for (var i = 0; i < count; i++)
            {
                value = unchecked(value + smallest + (long)rests[i]);
                target[at + i] = T.CreateTruncating(value);
            }
        }

        return (int)byteCount;
    }

    private static (int MiniblockCount, int MiniblockLength, ulong Count, long First) ReadHeader(ReadOnlySpan<byte> data, ref int position)
    {
        var blockLength = ReadVarint(data, ref position);
        var miniblockCount = ReadVarint(data, ref position);
        var count = ReadVarint(data, ref position);
        var first = ReadZigZag(data, ref position);
        if (blockLength is 0 or > int.MaxValue || miniblockCount == 0 || miniblockCount > blockLength
            || blockLength % miniblockCount != 0 || blockLength / miniblockCount % GroupLength != 0)
        {
            throw new DecodeException($"delta blocks of {blockLength} values in {miniblockCount} miniblocks");
        }

        return ((int)miniblockCount, (int)(blockLength / miniblockCount), count, first);
    }

    private static long ReadZigZag(ReadOnlySpan<byte> data, ref int position)
    {
        var raw = ReadVarint(data, ref position);
        return (long)(raw >> 1) ^ -(long)(raw & 1);
    }

    private static ulong ReadVarint(ReadOnlySpan<byte> data, ref int position)
    {
        var value = 0UL;
        for (var shift = 0; shift < 64; shift += 7)
        {
            if (position >= data.Length)
            {
                throw new DecodeException("the delta data ends too early");
            }

            var next = data[position++];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }

        throw new DecodeException("an integer of more than 64 bits in the delta data");
    }
}
