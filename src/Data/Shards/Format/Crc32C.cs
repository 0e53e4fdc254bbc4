using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace KvShiftScale.Data.Shards.Format;

/// <summary>CRC-32C (Castagnoli), as RFC 3720 describes it; processors have an instruction for it.</summary>
internal static class Crc32C
{
    public static uint Of(ReadOnlySpan<byte> data) => ~Append(uint.MaxValue, data);

    /// <summary>Takes further data into a state that began with <see cref="uint.MaxValue"/> and ends with its complement.</summary>
    public static uint Append(uint state, ReadOnlySpan<byte> data)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(data);
        foreach (var word in words)
        {
            state = BitOperations.Crc32C(state, BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word));
        }

        foreach (var part in data[(words.Length * sizeof(ulong))..])
        {
            state = BitOperations.Crc32C(state, part);
        }

        return state;
    }
}
