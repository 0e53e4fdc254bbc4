namespace KvShiftScale.Trainer.Serving;

/// <summary>How likely a token was, by the model, after those before it.</summary>
/// <param name="Id">The token.</param>
/// <param name="LogProbability">Natural logarithm of its probability among all ids; null for the first token of a text, before which nothing stands.</param>
/// <param name="Top">The most likely ids at its place with their log-probabilities, the likeliest first.</param>
internal sealed record TokenScore(int Id, double? LogProbability, IReadOnlyList<(int Id, double LogProbability)> Top)
{
    /// <summary>Where the token begins in prompt and completion together, in UTF-16 units.</summary>
    public int Offset { get; init; }

    /// <summary>The score of an id that follows, computed in float64.</summary>
    /// <param name="logits">One for each id.</param>
    /// <param name="id">The id.</param>
    /// <param name="top">How many of the most likely ids to name; of equally likely ones the lower first.</param>
    /// <exception cref="InvalidDataException">A logit is no number.</exception>
    public static TokenScore Of(ReadOnlySpan<float> logits, int id, int top)
    {
        var largest = double.NegativeInfinity;
        foreach (var logit in logits)
        {
            largest = Math.Max(largest, logit);
        }

        var sum = 0.0;
        foreach (var logit in logits)
        {
            sum += Math.Exp(logit - largest);
        }

        var logarithm = largest + Math.Log(sum);
        return double.IsFinite(logarithm)
            ? new TokenScore(id, logits[id] - logarithm, Best(logits, top, logarithm))
            : throw new InvalidDataException("the model's logits are not numbers; its weights are damaged, or too large for float32");
    }

    private static (int Id, double LogProbability)[] Best(ReadOnlySpan<float> logits, int count, double logarithm)
    {
        var best = new List<(int Id, double LogProbability)>(count + 1);
        for (var id = 0; id < logits.Length && count > 0; id++)
        {
            var found = logits[id] - logarithm;
            if (best.Count == count && found <= best[^1].LogProbability)
            {
                continue;
            }

            var rank = best.FindIndex(other => other.LogProbability < found);
            best.Insert(rank < 0 ? best.Count : rank, (id, found));
            if (best.Count > count)
            {
                best.RemoveAt(count);
            }
        }

        return [.. best];
    }
}
