namespace KvShiftScale.Data.Loading;

/// <summary>
/// Random numbers that are functions of a key and a counter, without state: the same on every machine and in any order of asking.
/// </summary>
/// <remarks>The mixing function is the finalizer of SplitMix64 (Steele, Lea and Flood, 2014).</remarks>
internal static class CounterRandom
{
    private const ulong GoldenGamma = 0x9E3779B97F4A7C15;

    /// <summary>Derives a key for a use of its own, such as one epoch of one source.</summary>
    public static ulong Key(ulong parent, ulong child) => Mix(Mix(parent + GoldenGamma) ^ (child * GoldenGamma + GoldenGamma));

    /// <summary>The number with index <paramref name="counter"/> of the sequence named <paramref name="key"/>.</summary>
    public static ulong At(ulong key, ulong counter) => Mix(key + (counter + 1) * GoldenGamma);

    /// <summary>Fills <paramref name="order"/> with a permutation of 0, 1, ... that depends on its length and the key alone.</summary>
    public static void Permute(Span<int> order, ulong key)
    {
        for (var i = 0; i < order.Length; i++)
        {
            // The high half of a product is an index below i + 1; its bias, (i + 1) / 2^64, is beyond notice.
            var j = (int)Math.BigMul(At(key, (ulong)i), (ulong)(i + 1), out _);
            order[i] = order[j];
            order[j] = i;
        }
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
