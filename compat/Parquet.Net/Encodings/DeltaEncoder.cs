using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Parquet.Encodings;

/// <summary>Writes DELTA_BINARY_PACKED in blocks of 128 values and miniblocks of 32, as every other writer does.</summary>
internal static class DeltaEncoder
{
    private const int BlockLength = 128;
    private const int MiniblockCount = 4;
    private const int MiniblockLength = BlockLength / MiniblockCount;

    public static void Encode<T>(ReadOnlySpan<T> values, ArrayBufferWriter<byte> output)
        where T : unmanaged, IBinaryInteger<T>
    {
        Varint.Write(BlockLength, output);
        Varint.Write(MiniblockCount, output);
        Varint.Write((ulong)values.Length, output);
        Varint.WriteZigZag(values.IsEmpty ? 0 : long.CreateTruncating(values[0]), output);

        Span<T> deltas = stackalloc T[BlockLength];
        for (var at = 1; at < values.Length; at += BlockLength)
        {
            var count = Math.Min(BlockLength, values.Length - at);
            for (var i = 0; i < count; i++)
            {
                deltas[i] = unchecked(values[at + i] - values[at + i - 1]);
            }

            WriteBlock(deltas[..count], output);
        }
    }

    private static void WriteBlock<T>(ReadOnlySpan<T> deltas, ArrayBufferWriter<byte> output)
        where T : unmanaged, IBinaryInteger<T>
    {
        var smallest = deltas[0];
        foreach (var delta in deltas)
        {
            smallest = T.Min(smallest, delta);
        }

        Varint.WriteZigZag(long.CreateTruncating(smallest), output);
        Span<ulong> rests = stackalloc ulong[BlockLength];
        rests.Clear();
        for (var i = 0; i < deltas.Length; i++)
        {
            rests[i] = Bits(unchecked(deltas[i] - smallest));
        }

        Span<int> widths = stackalloc int[MiniblockCount];
        for (var i = 0; i < MiniblockCount; i++)
        {
            var all = 0UL;
            foreach (var rest in rests.Slice(i * MiniblockLength, MiniblockLength))
            {
                all |= rest;
            }

            widths[i] = 64 - BitOperations.LeadingZeroCount(all);
            Varint.WriteByte((byte)widths[i], output);
        }

        // A miniblock without values has width 0 and so no body.
        var packer = new BitPacker(output);
        for (var i = 0; i < BlockLength; i++)
        {
            packer.Add(rests[i], widths[i / MiniblockLength]);
        }

        packer.Flush();
    }

    private static ulong Bits<T>(T value)
        where T : unmanaged, IBinaryInteger<T>
        => Unsafe.SizeOf<T>() == 4 ? (uint)int.CreateTruncating(value) : (ulong)long.CreateTruncating(value);
}
