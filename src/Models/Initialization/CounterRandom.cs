using System.Text;

namespace KvShiftScale.Models.Initialization;

/// <summary>
/// Random numbers that are a pure function of (seed, name, index): any rank can draw any element of any parameter without
/// drawing the others. SplitMix64's finaliser over a keyed counter.
/// </summary>
public readonly struct CounterRandom
{
    private readonly ulong _key;

    public CounterRandom(long seed, string name)
    {
        // FNV-1a over the name's UTF-8, then mixed with the seed.
        var hash = 14695981039346656037UL;
        foreach (var value in Encoding.UTF8.GetBytes(name))
        {
            hash = (hash ^ value) * 1099511628211UL;
        }

        _key = Mix(hash ^ Mix(unchecked((ulong)seed)));
    }

    /// <summary>Uniform in [0, 1), 53 bits.</summary>
    public double Uniform(long index) => (Bits(index) >> 11) * (1.0 / (1L << 53));

    /// <summary>Standard normal, by the Box-Muller transform of the element's own two draws.</summary>
    public double Normal(long index)
    {
        // 1 - u is in (0, 1]: its logarithm is finite.
        var radius = Math.Sqrt(-2 * Math.Log(1 - Uniform(2 * index)));
        return radius * Math.Cos(2 * Math.PI * Uniform(2 * index + 1));
    }

    private ulong Bits(long index) => Mix(_key + unchecked((ulong)index * 0x9E3779B97F4A7C15UL));

    private static ulong Mix(ulong value)
    {
        value ^= value >> 30;
        value *= 0xBF58476D1CE4E5B9UL;
        value ^= value >> 27;
        value *= 0x94D049BB133111EBUL;
        return value ^ (value >> 31);
    }
}
