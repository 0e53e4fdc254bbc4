namespace KvShiftScale.Data.Tokenization.Merging;

/// <summary>Merges the symbols of one piece in place: lowest rank first, leftmost of equals.</summary>
internal static class SymbolMerger
{
    /// <summary>Up to here looking at all pairs for each merge is faster than a heap.</summary>
    private const int ShortPiece = 64;

    /// <returns>How many symbols are left, at the beginning of <paramref name="symbols"/>.</returns>
    public static int Merge(MergeTable merges, Span<int> symbols)
        => symbols.Length <= ShortPiece ? MergeShort(merges, symbols) : LongPieceMerger.Merge(merges, symbols);

    private static int MergeShort(MergeTable merges, Span<int> symbols)
    {
        var count = symbols.Length;
        Span<ulong> pairs = stackalloc ulong[ShortPiece];
        for (var i = 0; i + 1 < count; i++)
        {
            pairs[i] = merges.Find(symbols[i], symbols[i + 1]);
        }

        while (count > 1)
        {
            var best = MergeTable.None;
            var at = 0;
            for (var i = 0; i + 1 < count; i++)
            {
                if (pairs[i] < best)
                {
                    best = pairs[i];
                    at = i;
                }
            }

            if (best == MergeTable.None)
            {
                break;
            }

            symbols[at] = (int)(uint)best;
            count--;
            for (var i = at + 1; i < count; i++)
            {
                symbols[i] = symbols[i + 1];
                pairs[i - 1] = pairs[i];
            }

            // The loop above has moved pair at + 1 to at; both neighbours of the new symbol are looked up anew.
            if (at + 1 < count)
            {
                pairs[at] = merges.Find(symbols[at], symbols[at + 1]);
            }

            if (at > 0)
            {
                pairs[at - 1] = merges.Find(symbols[at - 1], symbols[at]);
            }
        }

        return count;
    }
}
