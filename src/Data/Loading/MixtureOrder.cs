namespace KvShiftScale.Data.Loading;

/// <summary>
/// Which source each sample of the global order comes from. At every prefix each source has given its share of the samples to within
/// less than one, for any number of sources.
/// </summary>
/// <remarks>
/// Tijdeman's solution of the chairman assignment problem (1980): of the sources that lag by at least 1 / (2n - 2), the one whose lag
/// would first become too large is next. Always taking the largest lag is the same for two sources, but leaves the bound for some
/// weights of five: 489 : 433 : 9 : 7 : 1 reach 1.09.
/// Weights are used as integers, so the order repeats after as many samples as their sum, and seeking costs at most one period.
/// </remarks>
internal sealed class MixtureOrder
{
    /// <summary>Weights that need a longer period are rounded to fractions of this.</summary>
    private const int LongestPeriod = 1 << 20;

    private readonly long[] _weights;
    private readonly long _period;

    // Samples that each source gave in the current period, and in all.
    private readonly long[] _given;
    private readonly long[] _total;

    /// <exception cref="ArgumentException">A weight is not a positive number.</exception>
    public MixtureOrder(IReadOnlyList<double> weights)
    {
        for (var i = 0; i < weights.Count; i++)
        {
            if (!(weights[i] > 0) || double.IsInfinity(weights[i]))
            {
                throw new ArgumentException(FormattableString.Invariant(
                    $"data.train[{i}].weight is {weights[i]}; it must be positive. Leave out a source that is not to be read."));
            }
        }

        _weights = ToIntegers(weights);
        _period = _weights.Sum();
        _given = new long[_weights.Length];
        _total = new long[_weights.Length];
    }

    /// <summary>The sample that <see cref="Next"/> tells next.</summary>
    public long Position { get; private set; }

    /// <summary>Continues from sample <paramref name="position"/>.</summary>
    public void Seek(long position)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        if (position < Position || position / _period != Position / _period)
        {
            var periods = position / _period;
            Array.Clear(_given);
            for (var i = 0; i < _total.Length; i++)
            {
                _total[i] = periods * _weights[i];
            }

            Position = periods * _period;
        }

        while (Position < position)
        {
            Next();
        }
    }

    /// <summary>Samples that a source has given so far, which is the number of its next one.</summary>
    public long SamplesOf(int source) => _total[source];

    /// <summary>The source of the next sample, and the sample's number among those of that source.</summary>
    public (int Source, long Sample) Next()
    {
        var source = _weights.Length == 1 ? 0 : MostUrgent(Position % _period + 1);
        Position++;
        _given[source]++;
        if (Position % _period == 0)
        {
            Array.Clear(_given);
        }

        return (source, _total[source]++);
    }

    // All quantities are multiplied by the period, and lags by 2n - 2 as well, which leaves integers below 2^63.
    private int MostUrgent(long samples)
    {
        var scale = 2L * _weights.Length - 2;
        var best = -1;
        var bestSlack = 0L;
        for (var i = 0; i < _weights.Length; i++)
        {
            var lag = scale * (_weights[i] * samples - _given[i] * _period);
            if (lag < _period)
            {
                continue;
            }

            // Samples until the lag reaches 1 - 1 / (2n - 2), times the weight.
            var slack = (scale - 1) * _period - lag;
            if (best < 0 || (Int128)slack * _weights[best] < (Int128)bestSlack * _weights[i])
            {
                best = i;
                bestSlack = slack;
            }
        }

        return best;
    }

    private static long[] ToIntegers(IReadOnlyList<double> weights)
    {
        // Decimal notation is what the weights were written in: 0.7 and 0.3 are 7 to 3.
        var scale = 1m;
        for (var digits = 0; digits <= 6 && weights.All(weight => weight < LongestPeriod); digits++, scale *= 10)
        {
            var scaled = weights.Select(weight => (decimal)weight * scale).ToArray();
            if (scaled.All(weight => weight > 0 && weight == decimal.Truncate(weight)))
            {
                var integers = scaled.Select(weight => (long)weight).ToArray();
                var divisor = integers.Aggregate(GreatestCommonDivisor);
                if (integers.Sum() / divisor <= LongestPeriod)
                {
                    return [.. integers.Select(integer => integer / divisor)];
                }

                break;
            }
        }

        return Rounded(weights);
    }

    // Largest remainders; every source keeps at least one sample of a period.
    private static long[] Rounded(IReadOnlyList<double> weights)
    {
        var sum = weights.Sum();
        var quotas = weights.Select(weight => weight / sum * LongestPeriod).ToArray();
        var integers = quotas.Select(quota => Math.Max(1, (long)quota)).ToArray();
        var byRemainder = Enumerable.Range(0, quotas.Length).OrderByDescending(i => quotas[i] - integers[i]).ToArray();
        for (var k = 0; integers.Sum() < LongestPeriod; k++)
        {
            integers[byRemainder[k % byRemainder.Length]]++;
        }

        return integers;
    }

    private static long GreatestCommonDivisor(long a, long b)
    {
        while (b != 0)
        {
            (a, b) = (b, a % b);
        }

        return a;
    }
}
