using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Parquet.Encodings;

/// <summary>Unpacks integers of a fixed bit width, least significant bit first.</summary>
internal static class BitUnpacker
{
    // A value that starts anywhere in a byte still fits an eight-byte load up to this width.
    private const int WidestSingleLoad = 57;

    /// <param name="packed">At least <c>target.Length * width</c> bits.</param>
    /// <param name="width">0 to 32.</param>
    public static void Unpack(ReadOnlySpan<byte> packed, int width, Span<int> target)
    {
        if (width == 0)
        {
            target.Clear();
            return;
        }

        var mask = uint.MaxValue >> (32 - width);
        ref var first = ref MemoryMarshal.GetReference(packed);
        var direct = SingleLoads(packed.Length, width, target.Length);
        var bit = 0L;
        for (var i = 0; i < direct; i++, bit += width)
        {
            var word = Unsafe.ReadUnaligned<ulong>(ref Unsafe.AddByteOffset(ref first, (nint)(bit >> 3)));
            target[i] = (int)((uint)(word >> (int)(bit & 7)) & mask);
        }

        for (var i = direct; i < target.Length; i++, bit += width)
        {
            target[i] = (int)((uint)Assemble(packed, bit) & mask);
        }
    }

    /// <param name="packed">At least <c>target.Length * width</c> bits.</param>
    /// <param name="width">0 to 64.</param>
    public static void Unpack(ReadOnlySpan<byte> packed, int width, Span<ulong> target)
    {
        if (width == 0)
        {
            target.Clear();
            return;
        }

        var mask = ulong.MaxValue >> (64 - width);
        ref var first = ref MemoryMarshal.GetReference(packed);
        var direct = width <= WidestSingleLoad ? SingleLoads(packed.Length, width, target.Length) : 0;
        var bit = 0L;
        for (var i = 0; i < direct; i++, bit += width)
        {
            var word = Unsafe.ReadUnaligned<ulong>(ref Unsafe.AddByteOffset(ref first, (nint)(bit >> 3)));
            target[i] = (word >> (int)(bit & 7)) & mask;
        }

        for (var i = direct; i < target.Length; i++, bit += width)
        {
            target[i] = Assemble(packed, bit) & mask;
        }
    }

    // How many leading values start at least eight bytes before the end.
    private static int SingleLoads(int byteCount, int width, int count)
        => byteCount < 8 ? 0 : (int)Math.Min(count, ((((byteCount - 8L) * 8) + 7) / width) + 1);

    // The 64 bits from `bit` on; zeros beyond the end.
    private static ulong Assemble(ReadOnlySpan<byte> packed, long bit)
    {
        var start = (int)(bit >> 3);
        var shift = (int)(bit & 7);
        var low = 0UL;
        for (var i = 0; i < 8 && start + i < packed.Length; i++)
        {
            low |= (ulong)packed[start + i] << (8 * i);
        }

        return shift == 0 || start + 8 >= packed.Length
            ? low >> shift
            : (low >> shift) | ((ulong)packed[start + 8] << (64 - shift));
    }
}
