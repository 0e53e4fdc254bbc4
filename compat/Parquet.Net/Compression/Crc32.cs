using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Parquet.Compression;

/// <summary>
/// CRC-32 with the polynomial of gzip: 64 bytes at a time by carry-less multiplication where the processor has it, otherwise eight by
/// tables.
/// </summary>
internal static class Crc32
{
    private const uint ReversedPolynomial = 0xEDB88320;
    private const int Slices = 8;
    private const int FoldedBytes = 64;

    // Entry [slice * 256 + b]: the remainder of byte b followed by `slice` zero bytes.
    private static readonly uint[] _remainders = BuildRemainders();

    // Remainders of x^(distance + 32) and x^(distance - 32) in bits, bit-reversed: what a lane is multiplied by to move it that far.
    private static readonly Vector128<ulong> _by512Bits = FoldFactors(512);
    private static readonly Vector128<ulong> _by128Bits = FoldFactors(128);

    public static uint Compute(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        if (Pclmulqdq.IsSupported && data.Length >= 2 * FoldedBytes)
        {
            crc = Fold(crc, ref data);
        }

        return ~Update(crc, data);
    }

    private static uint Update(uint crc, ReadOnlySpan<byte> data)
    {
        var table = _remainders;
        for (; data.Length >= Slices; data = data[Slices..])
        {
            var low = crc ^ BinaryPrimitives.ReadUInt32LittleEndian(data);
            var high = BinaryPrimitives.ReadUInt32LittleEndian(data[4..]);
            crc = table[(7 * 256) + (byte)low] ^ table[(6 * 256) + (byte)(low >> 8)]
                ^ table[(5 * 256) + (byte)(low >> 16)] ^ table[(4 * 256) + (low >> 24)]
                ^ table[(3 * 256) + (byte)high] ^ table[(2 * 256) + (byte)(high >> 8)]
                ^ table[256 + (byte)(high >> 16)] ^ table[high >> 24];
        }

        foreach (var next in data)
        {
            crc = table[(byte)(crc ^ next)] ^ (crc >> 8);
        }

        return crc;
    }

    // Four lanes of 16 bytes each move forward 64 bytes at a time, then join; the tables take the 16 bytes that remain. What is left of
    // `data` is shorter than a step.
    private static uint Fold(uint crc, ref ReadOnlySpan<byte> data)
    {
        ref var next = ref MemoryMarshal.GetReference(data);
        var lane0 = Load(ref next, 0) ^ Vector128.CreateScalar((ulong)crc);
        var (lane1, lane2, lane3) = (Load(ref next, 16), Load(ref next, 32), Load(ref next, 48));
        var at = FoldedBytes;
        for (; at <= data.Length - FoldedBytes; at += FoldedBytes)
        {
            lane0 = Move(lane0, _by512Bits) ^ Load(ref next, at);
            lane1 = Move(lane1, _by512Bits) ^ Load(ref next, at + 16);
            lane2 = Move(lane2, _by512Bits) ^ Load(ref next, at + 32);
            lane3 = Move(lane3, _by512Bits) ^ Load(ref next, at + 48);
        }

        var joined = Move(Move(Move(lane0, _by128Bits) ^ lane1, _by128Bits) ^ lane2, _by128Bits) ^ lane3;
        data = data[at..];
        Span<byte> rest = stackalloc byte[16];
        joined.AsByte().CopyTo(rest);
        return Update(0, rest);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ulong> Load(ref byte start, int offset)
        => Vector128.LoadUnsafe(ref start, (nuint)offset).AsUInt64();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ulong> Move(Vector128<ulong> lane, Vector128<ulong> factors)
        => Pclmulqdq.CarrylessMultiply(lane, factors, 0x00) ^ Pclmulqdq.CarrylessMultiply(lane, factors, 0x11);

    private static Vector128<ulong> FoldFactors(int distance) => Vector128.Create(PowerRemainder(distance + 32), PowerRemainder(distance - 32));

    // x^bits modulo the polynomial. A product of two bit-reversed numbers comes out one bit too low, which the shift makes up for.
    private static ulong PowerRemainder(int bits)
    {
        var remainder = 0x80000000u;
        for (var i = 0; i < bits; i++)
        {
            remainder = NextRemainder(remainder);
        }

        return (ulong)remainder << 1;
    }

    private static uint NextRemainder(uint remainder) => (remainder & 1) != 0 ? (remainder >> 1) ^ ReversedPolynomial : remainder >> 1;

    private static uint[] BuildRemainders()
    {
        var table = new uint[Slices * 256];
        for (var value = 0u; value < 256; value++)
        {
            var remainder = value;
            for (var bit = 0; bit < 8; bit++)
            {
                remainder = NextRemainder(remainder);
            }

            table[value] = remainder;
        }

        for (var i = 256; i < table.Length; i++)
        {
            table[i] = table[(byte)table[i - 256]] ^ (table[i - 256] >> 8);
        }

        return table;
    }
}
