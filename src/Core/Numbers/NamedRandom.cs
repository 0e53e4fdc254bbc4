using System.Text;

namespace KvShiftScale.Core.Numbers;

/// <summary>
/// Random numbers that are a pure function of (seed, name, index): any rank can draw any element of any parameter without
/// drawing the others.
/// </summary>
public readonly struct NamedRandom
{
    private readonly ulong _key;

    public NamedRandom(long seed, string name)
    {
        // FNV-1a over the name's UTF-8, then mixed with the seed.
        var hash = 14695981039346656037UL;
        foreach (var value in Encoding.UTF8.GetBytes(name))
        {
            hash = (hash ^ value) * 1099511628211UL;
        }

        _key = CounterRandom.Mix(hash ^ CounterRandom.Mix(unchecked((ulong)seed)));
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

    private ulong Bits(long index) => CounterRandom.Mix(_key + unchecked((ulong)index * 0x9E3779B97F4A7C15UL));
}
