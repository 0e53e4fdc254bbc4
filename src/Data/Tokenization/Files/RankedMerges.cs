namespace KvShiftScale.Data.Tokenization.Files;

/// <summary>
/// The merges of an encoding that states the ranks of its tokens alone, as tiktoken's do. There, any two neighbours merge that are a token
/// together, the lowest rank first, the leftmost of equals. Within the bytes of a token this goes the same way in every text in which the
/// token comes to be, as no merge has gone over its ends; so one pair makes it, and the list of these pairs gives the same ids.
/// </summary>
internal static class RankedMerges
{
    /// <param name="ranks">Tokens in the byte alphabet, without special ones.</param>
    /// <returns>
    /// Pairs by the rank of what they make; and whether all tokens are reached by merges: the others are found only where they are a whole piece.
    /// </returns>
    public static (List<(string Left, string Right)> Merges, bool ReachesAll) Of(IReadOnlyDictionary<string, int> ranks)
    {
        var lookup = new Dictionary<string, int>(ranks, StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();
        var merges = new List<(string Left, string Right)>(ranks.Count);
        var reachesAll = true;
        var starts = new List<int>();
        foreach (var (token, _) in ranks.Where(entry => entry.Key.Length > 1).OrderBy(entry => entry.Value))
        {
            starts.Clear();
            starts.AddRange(Enumerable.Range(0, token.Length));
            while (starts.Count > 2)
            {
                var (best, at) = (int.MaxValue, -1);
                for (var i = 0; i + 1 < starts.Count; i++)
                {
                    var end = i + 2 < starts.Count ? starts[i + 2] : token.Length;
                    if (lookup.TryGetValue(token.AsSpan(starts[i]..end), out var rank) && rank < best)
                    {
                        (best, at) = (rank, i);
                    }
                }

                if (at < 0)
                {
                    break;
                }

                starts.RemoveAt(at + 1);
            }

            if (starts.Count == 2 && lookup.ContainsKey(token.AsSpan(0, starts[1])) && lookup.ContainsKey(token.AsSpan(starts[1])))
            {
                merges.Add((token[..starts[1]], token[starts[1]..]));
            }
            else
            {
                reachesAll = false;
            }
        }

        return (merges, reachesAll);
    }
}
