using System.Numerics;

namespace KvShiftScale.Core.Numbers;

/// <summary>
/// Random numbers that are functions of a key and a counter, without state: the same on every machine and in any order of asking.
/// </summary>
/// <remarks>The mixing function is the finalizer of SplitMix64 (Steele, Lea and Flood, 2014).</remarks>
public static class CounterRandom
{
    private const ulong GoldenGamma = 0x9E3779B97F4A7C15;

    private const ulong FeistelRounds = 8;

    // A network over fewer bits is some permutations far more often than others.
    private const long LeastPermutedRange = 64;

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

    /// <summary>
    /// Where a permutation of 0 ... <paramref name="count"/> - 1 that depends on its length and the key alone has
    /// <paramref name="index"/>, without a table: a Feistel network over the least power of two that holds the range and
    /// 64, applied again for as long as its result is outside the range: less than once more on average where the range is above 32.
    /// </summary>
    public static long Permuted(long index, long count, ulong key)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)index, (ulong)count);
        var bits = BitOperations.Log2((ulong)Math.Max(count, LeastPermutedRange) - 1) + 1;
        var lowBits = bits - bits / 2;
        var (high, low) = ((ulong)index >> lowBits, (ulong)index & ((1UL << lowBits) - 1));
        while (true)
        {
            for (var round = 0UL; round < FeistelRounds; round += 2)
            {
                high ^= At(key, (round << 32) | low) >> (64 - bits / 2);
                low ^= At(key, ((round + 1) << 32) | high) >> (64 - lowBits);
            }

            var permuted = (high << lowBits) | low;
            if (permuted < (ulong)count)
            {
                return (long)permuted;
            }
        }
    }

    /// <summary>Spreads every bit of a number over all of them.</summary>
    public static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
