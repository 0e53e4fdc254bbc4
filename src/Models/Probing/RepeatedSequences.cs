using KvShiftScale.Core.Numbers;

namespace KvShiftScale.Models.Probing;

/// <summary>Random token sequences, each written twice. A pure function of the ids to draw from, length and count.</summary>
internal static class RepeatedSequences
{
    // The probe must be the same in every run, or its curves could not be laid over each other.
    private const long Seed = 1;

    /// <summary>
    /// <paramref name="count"/> rows of 2 * <paramref name="length"/> ids. A row's first half has no id twice, so that the previous occurrence
    /// of every token of the second half is unique.
    /// </summary>
    /// <param name="candidates">The ids to draw from, each once; at least <paramref name="length"/>.</param>
    /// <param name="length">Tokens of one copy.</param>
    /// <param name="count">Rows.</param>
    public static int[] Make(IReadOnlyList<int> candidates, int length, int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(candidates.Count, length);
        var ids = new int[count * 2 * length];
        for (var row = 0; row < count; row++)
        {
            var random = new NamedRandom(Seed, $"probe.induction.{row}");
            var seen = new HashSet<int>();
            for (var draw = 0L; seen.Count < length; draw++)
            {
                var id = candidates[(int)(random.Uniform(draw) * candidates.Count)];
                if (!seen.Add(id))
                {
                    continue;
                }

                ids[row * 2 * length + seen.Count - 1] = id;
                ids[row * 2 * length + length + seen.Count - 1] = id;
            }
        }
        return ids;
    }
}
