using System.Buffers.Binary;

namespace Parquet.Compression;

/// <summary>
/// Decoder of the raw Snappy format, after its format description: a varint with the uncompressed size, then literals and copies.
/// It trusts nothing and allocates nothing.
/// </summary>
internal static class SnappyBlock
{
    private const int ShortCopy = 16;
    private const int LongestCopy = 64;

    /// <summary>Refuses a block that does not state this uncompressed size; to be called before memory is set aside for it.</summary>
    public static void RequireSize(ReadOnlySpan<byte> source, int size)
    {
        ReadSize(source, out var stated);
        if (stated != size)
        {
            throw new DecodeException($"the Snappy block holds {stated} bytes where the page header says {size}");
        }
    }

    /// <summary>Fills <paramref name="target"/>, whose length must be the block's uncompressed size.</summary>
    public static void Decode(ReadOnlySpan<byte> source, Span<byte> target)
    {
        var position = ReadSize(source, out _);
        var written = 0;
        while (position < source.Length)
        {
            var tag = source[position++];
            written += (tag & 3) == 0
                ? CopyLiteral(source, ref position, tag, target[written..])
                : CopyBack(source, ref position, tag, target, written);
        }

        if (written != target.Length)
        {
            throw new DecodeException($"the Snappy block ends after {written} of {target.Length} bytes");
        }
    }

    private static int ReadSize(ReadOnlySpan<byte> source, out long size)
    {
        size = 0;
        for (var position = 0; position < Math.Min(5, source.Length); position++)
        {
            size |= (long)(source[position] & 0x7F) << (7 * position);
            if (source[position] < 0x80)
            {
                return position + 1;
            }
        }

        throw new DecodeException("the Snappy block has no valid size");
    }

    // Literal: length - 1 in the upper six bits of the tag, or, from 60 on, in the 1 to 4 bytes that follow.
    private static int CopyLiteral(ReadOnlySpan<byte> source, ref int position, byte tag, Span<byte> target)
    {
        var length = (tag >> 2) + 1L;
        if (length > 60)
        {
            var sizeBytes = (int)length - 60;
            length = ReadLittleEndian(source, ref position, sizeBytes) + 1L;
        }

        if (length > source.Length - position || length > target.Length)
        {
            throw new DecodeException(
                $"a Snappy literal of {length} bytes with {source.Length - position} to read and {target.Length} to fill");
        }

        // Most are short. Copying a fixed length is one instruction each way; what it writes too much is written over next.
        if (length <= ShortCopy && source.Length - position >= ShortCopy && target.Length >= ShortCopy)
        {
            source.Slice(position, ShortCopy).CopyTo(target);
        }
        else
        {
            source.Slice(position, (int)length).CopyTo(target);
        }

        position += (int)length;
        return (int)length;
    }

    private static int CopyBack(ReadOnlySpan<byte> source, ref int position, byte tag, Span<byte> target, int written)
    {
        int length;
        long offset;
        if ((tag & 3) == 1)
        {
            length = ((tag >> 2) & 7) + 4;
            offset = ((tag >> 5) * 256) + ReadLittleEndian(source, ref position, 1);
        }
        else
        {
            length = (tag >> 2) + 1;
            offset = ReadLittleEndian(source, ref position, (tag & 3) == 2 ? 2 : 4);
        }

        if (offset == 0 || offset > written || length > target.Length - written)
        {
            throw new DecodeException($"a Snappy copy of {length} bytes from {offset} back at {written} of {target.Length}");
        }

        var from = written - (int)offset;
        if (offset >= ShortCopy && target.Length - written >= LongestCopy)
        {
            for (var i = 0; i < length; i += ShortCopy)
            {
                target.Slice(from + i, ShortCopy).CopyTo(target[(written + i)..]);
            }

            return length;
        }

        if (offset >= length)
        {
            target.Slice(from, length).CopyTo(target[written..]);
            return length;
        }

        // Source and target overlap: the bytes just written repeat.
        for (var i = 0; i < length; i++)
        {
            target[written + i] = target[from + i];
        }

        return length;
    }

    private static long ReadLittleEndian(ReadOnlySpan<byte> source, ref int position, int byteCount)
    {
        if (byteCount > source.Length - position)
        {
            throw new DecodeException("the Snappy block ends inside a tag");
        }

        var bytes = source.Slice(position, byteCount);
        position += byteCount;
        return byteCount switch
        {
            1 => bytes[0],
            2 => BinaryPrimitives.ReadUInt16LittleEndian(bytes),
            3 => BinaryPrimitives.ReadUInt16LittleEndian(bytes) | (bytes[2] << 16),
            _ => BinaryPrimitives.ReadUInt32LittleEndian(bytes),
        };
    }
}
