using System.Numerics;

namespace KvShiftScale.Data.Shards;

/// <summary>Turns integers of 64 bits into int32 ids.</summary>
internal static class IdNarrowing
{
    /// <summary>Converts all values; returns the index of the first one that int32 cannot hold, or -1.</summary>
    /// <param name="ids">Room for as many.</param>
    public static int IndexOfLoss(ReadOnlySpan<long> values, Span<int> ids)
    {
        if (Narrow(values, ids))
        {
            return -1;
        }

        for (var i = 0; i < values.Length; i++)
        {
            if (values[i] != (int)values[i])
            {
                return i;
            }
        }

        return -1;
    }

    // False when some value is no int32; which one is for a slower look.
    private static bool Narrow(ReadOnlySpan<long> values, Span<int> ids)
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
}
