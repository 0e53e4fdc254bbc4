using KvShiftScale.Core.Numbers;

namespace KvShiftScale.Simulation;

/// <summary>How much longer than reckoned ranks compute: some all the time, all of them a little, differently each time. A function of the seed alone.</summary>
/// <param name="Seed">Of the draws.</param>
/// <param name="Fraction">Share of ranks that are slow throughout, 0 to 1.</param>
/// <param name="Slowdown">How many times as long those take, 1 or more.</param>
/// <param name="Jitter">Mean of what is added to each piece of computation, as a share of it; exponentially distributed.</param>
internal sealed record Stragglers(ulong Seed, double Fraction, double Slowdown, double Jitter)
{
    /// <summary>None.</summary>
    public static Stragglers None { get; } = new(0, 0, 1, 0);

    /// <summary>Whether a rank is slow.</summary>
    public bool IsSlow(int rank) => Uniform(0, (ulong)rank) < Fraction;

    /// <summary>How many times as long as reckoned a piece of computation takes.</summary>
    /// <param name="rank">The rank.</param>
    /// <param name="number">Number of the piece on this rank.</param>
    public double Factor(int rank, long number)
    {
        var factor = Fraction > 0 && IsSlow(rank) ? Slowdown : 1;
        return Jitter > 0 ? factor * (1 - Jitter * Math.Log(1 - Uniform((ulong)rank + 1, (ulong)number))) : factor;
    }

    // In [0, 1).
    private double Uniform(ulong sequence, ulong number) => (CounterRandom.At(CounterRandom.Key(Seed, sequence), number) >> 11) * (1.0 / (1L << 53));
}
