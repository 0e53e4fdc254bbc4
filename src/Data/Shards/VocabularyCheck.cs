using System.Numerics;
using System.Runtime.InteropServices;

namespace KvShiftScale.Data.Shards;

/// <summary>Finds ids outside a vocabulary, at memory speed where there are none.</summary>
internal static class VocabularyCheck
{
    /// <summary>Index of the first id that is negative or not below <paramref name="vocabularySize"/>; -1 when all are inside.</summary>
    /// <param name="ids">What to look through.</param>
    /// <param name="vocabularySize">Null when any id will do that is not negative.</param>
    public static int IndexOfInvalid(ReadOnlySpan<int> ids, int? vocabularySize)
    {
        // Read as unsigned numbers, negative ids are the largest.
        var unsigned = MemoryMarshal.Cast<int, uint>(ids);
        var limit = vocabularySize is { } size ? (uint)size : 1u << 31;
        var vectors = MemoryMarshal.Cast<uint, Vector<uint>>(unsigned);
        var largest = Vector<uint>.Zero;
        foreach (var vector in vectors)
        {
            largest = Vector.Max(largest, vector);
        }

        var start = vectors.Length * Vector<uint>.Count;
        if (Vector.GreaterThanOrEqualAny(largest, new Vector<uint>(limit)))
        {
            start = 0;
        }

        for (var i = start; i < unsigned.Length; i++)
        {
            if (unsigned[i] >= limit)
            {
                return i;
            }
        }

        return -1;
    }
}
