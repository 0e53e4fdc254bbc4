using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Parquet.Columns;

/// <summary>Chooses how numbers of a .NET type are stored: 8 bytes as they are, everything smaller in 4.</summary>
internal static class NumberEncoderFactory
{
    public static ValueEncoder Create<T>(ReadOnlyMemory<T> values, EncodingHint hint)
        where T : struct
    {
        if (Unsafe.SizeOf<T>() == 8)
        {
            var stored = new StoredMemory<T, long>(values).Memory;
            return new NumberEncoder<long>(stored, hint, LongBounds<T>(stored.Span));
        }
        else
        {
            var stored = Unsafe.SizeOf<T>() == 4 ? new StoredMemory<T, int>(values).Memory : Widen(values.Span);
            return new NumberEncoder<int>(stored, hint, IntBounds<T>(stored.Span));
        }
    }

    private static int[] Widen<T>(ReadOnlySpan<T> values)
        where T : struct
    {
        if (typeof(T) == typeof(ushort))
        {
            return WidenIntegers(MemoryMarshal.Cast<T, ushort>(values));
        }

        if (typeof(T) == typeof(short))
        {
            return WidenIntegers(MemoryMarshal.Cast<T, short>(values));
        }

        return typeof(T) == typeof(byte)
            ? WidenIntegers(MemoryMarshal.Cast<T, byte>(values))
            : WidenIntegers(MemoryMarshal.Cast<T, sbyte>(values));
    }

    private static int[] WidenIntegers<TNarrow>(ReadOnlySpan<TNarrow> values)
        where TNarrow : unmanaged, IBinaryInteger<TNarrow>
    {
        var wide = new int[values.Length];
        for (var i = 0; i < wide.Length; i++)
        {
            wide[i] = int.CreateTruncating(values[i]);
        }

        return wide;
    }

    // Floats have no bounds here: their order has to deal with NaN and with two zeros.
    private static (byte[]? Smallest, byte[]? Largest) LongBounds<T>(ReadOnlySpan<long> stored)
    {
        if (typeof(T) == typeof(double))
        {
            return (null, null);
        }

        return typeof(T) == typeof(ulong) ? Bounds(MemoryMarshal.Cast<long, ulong>(stored)) : Bounds(stored);
    }

    private static (byte[]? Smallest, byte[]? Largest) IntBounds<T>(ReadOnlySpan<int> stored)
    {
        if (typeof(T) == typeof(float))
        {
            return (null, null);
        }

        return typeof(T) == typeof(uint) ? Bounds(MemoryMarshal.Cast<int, uint>(stored)) : Bounds(stored);
    }

    private static (byte[]? Smallest, byte[]? Largest) Bounds<T>(ReadOnlySpan<T> values)
        where T : unmanaged, IBinaryInteger<T>
    {
        if (values.IsEmpty)
        {
            return (null, null);
        }

        var (smallest, largest) = (values[0], values[0]);
        foreach (var value in values)
        {
            smallest = T.Min(smallest, value);
            largest = T.Max(largest, value);
        }

        return (MemoryMarshal.AsBytes([smallest]).ToArray(), MemoryMarshal.AsBytes([largest]).ToArray());
    }
}
