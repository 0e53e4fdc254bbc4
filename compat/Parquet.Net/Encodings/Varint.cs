using System.Buffers;

namespace Parquet.Encodings;

/// <summary>Writes integers seven bits a byte, the lowest first.</summary>
internal static class Varint
{
    public static void Write(ulong value, ArrayBufferWriter<byte> output)
    {
        for (; value >= 0x80; value >>= 7)
        {
            WriteByte((byte)(value | 0x80), output);
        }

        WriteByte((byte)value, output);
    }

    /// <summary>Signed integers: 0, -1, 1, -2 become 0, 1, 2, 3.</summary>
    public static void WriteZigZag(long value, ArrayBufferWriter<byte> output)
        => Write((ulong)((value << 1) ^ (value >> 63)), output);

    public static void WriteByte(byte value, ArrayBufferWriter<byte> output)
    {
        output.GetSpan(1)[0] = value;
        output.Advance(1);
    }
}
