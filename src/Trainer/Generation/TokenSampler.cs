using KvShiftScale.Core.Numbers;

namespace KvShiftScale.Trainer.Generation;

/// <summary>
/// Chooses the next token from logits. Everything is computed in float64 and each draw is a pure function of (seed, index), so that a
/// seed gives the same text wherever the logits are the same.
/// </summary>
internal sealed class TokenSampler(SamplingOptions options)
{
    private readonly NamedRandom _random = new(options.Seed, "generate");
    private double[] _weights = [];
    private int[] _candidates = [];

    /// <summary>The id chosen.</summary>
    /// <param name="logits">One for each id.</param>
    /// <param name="index">Number of the draw, counted from 0.</param>
    /// <exception cref="InvalidDataException">A logit is no number.</exception>
    public int Choose(ReadOnlySpan<float> logits, long index)
    {
        var best = MostLikely(logits);
        if (options.Greedy || options.Temperature == 0)
        {
            return best;
        }

        if (_weights.Length < logits.Length)
        {
            (_weights, _candidates) = (new double[logits.Length], new int[logits.Length]);
        }

        var total = 0.0;
        for (var id = 0; id < logits.Length; id++)
        {
            total += _weights[id] = Math.Exp(((double)logits[id] - logits[best]) / options.Temperature);
        }

        var (kept, mass) = Nucleus(logits.Length, total);
        var left = _random.Uniform(index) * mass;
        for (var rank = 0; rank < kept - 1; rank++)
        {
            left -= _weights[_candidates[rank]];
            if (left < 0)
            {
                return _candidates[rank];
            }
        }
        return _candidates[kept - 1];
    }

    // The first of the largest.
    private static int MostLikely(ReadOnlySpan<float> logits)
    {
        var best = 0;
        for (var id = 0; id < logits.Length; id++)
        {
            if (float.IsNaN(logits[id]))
            {
                throw new InvalidDataException("the model's logits are not numbers; its weights are damaged, or too large for float32");
            }

            if (logits[id] > logits[best])
            {
                best = id;
            }
        }
        return best;
    }

    // Leaves the tokens to draw from at the head of the candidates: with top_p below 1 the smallest set of most likely tokens that holds
    // that share of the mass, lower ids before equally likely ones, otherwise all in order of their ids.
    private (int Count, double Mass) Nucleus(int vocabulary, double total)
    {
        // Tokens below this hold less than 1 - top_p together, so the set has none of them, and what remains is quickly sorted.
        var least = (1 - options.TopP) * total / vocabulary;
        var count = 0;
        for (var id = 0; id < vocabulary; id++)
        {
            if (_weights[id] >= least)
            {
                _candidates[count++] = id;
            }
        }
        if (options.TopP >= 1)
        {
            return (count, total);
        }

        var weights = _weights;
        _candidates.AsSpan(0, count).Sort((a, b) => weights[b].CompareTo(weights[a]) is var order and not 0 ? order : a.CompareTo(b));
        var (kept, mass) = (0, 0.0);
        while (kept < count && mass < options.TopP * total)
        {
            mass += _weights[_candidates[kept++]];
        }

        return (kept, mass);
    }
}
