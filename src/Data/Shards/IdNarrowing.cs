using System.Numerics;
using System.Runtime.InteropServices;

namespace KvShiftScale.Data.Shards;

/// <summary>Turns integers of any type into int32 ids.</summary>
internal static class IdNarrowing
{
    /// <summary>Converts all values; returns the index of the first one that int32 cannot hold, or -1.</summary>
    /// <param name="ids">Room for as many.</param>
    public static int IndexOfLoss<T>(ReadOnlySpan<T> values, Span<int> ids)
        where T : struct, IBinaryInteger<T>
    {
        if (typeof(T) == typeof(long) && NarrowLongs(MemoryMarshal.Cast<T, long>(values), ids))
        {
            return -1;
        }

        if (typeof(T) == typeof(ushort))
        {
            WidenShorts(MemoryMarshal.Cast<T, ushort>(values), ids);
            return -1;
        }

        for (var i = 0; i < values.Length; i++)
        {
            var id = int.CreateTruncating(values[i]);
            if (T.CreateTruncating(id) != values[i] || (id < 0 && T.IsPositive(values[i])))
            {
                return i;
            }

            ids[i] = id;
        }

        return -1;
    }

    // False when some value is no int32; which one is for a slower look.
    private static bool NarrowLongs(ReadOnlySpan<long> values, Span<int> ids)
    {
        var lost = Vector<long>.Zero;
        var step = Vector<int>.Count;
        var i = 0;
        for (; i <= values.Length - step; i += step)
        {
            var (low, high) = (new Vector<long>(values[i..]), new Vector<long>(values[(i + (step / 2))..]));
            var narrow = Vector.Narrow(low, high);
            Vector.Widen(narrow, out var lowAgain, out var highAgain);
            lost |= (low ^ lowAgain) | (high ^ highAgain);
            narrow.CopyTo(ids[i..]);
        }

        var isExact = lost == Vector<long>.Zero;
        for (; i < values.Length; i++)
        {
            ids[i] = unchecked((int)values[i]);
            isExact &= ids[i] == values[i];
        }

        return isExact;
    }

    private static void WidenShorts(ReadOnlySpan<ushort> values, Span<int> ids)
    {
        var wide = MemoryMarshal.Cast<int, uint>(ids);
        var step = Vector<ushort>.Count;
        var i = 0;
        for (; i <= values.Length - step; i += step)
        {
            Vector.Widen(new Vector<ushort>(values[i..]), out var low, out var high);
            low.CopyTo(wide[i..]);
            high.CopyTo(wide[(i + (step / 2))..]);
        }

        for (; i < values.Length; i++)
        {
            ids[i] = values[i];
        }
    }
}
