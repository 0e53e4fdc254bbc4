namespace KvShiftScale.Data.Loading;

/// <summary>Turns a row of tokens into inputs, targets and positions.</summary>
internal static class RowLayout
{
    /// <summary>Fills one row of a batch.</summary>
    /// <param name="tokens">2 to context + 1 ids; what they leave free of the row is padded.</param>
    /// <param name="documentStarts">Ascending places in [1, context] at which a document begins.</param>
    /// <param name="documentMask">Whether positions restart at a document and no target crosses into the next one.</param>
    /// <param name="inputs">Receives all ids but the last.</param>
    /// <param name="targets">Receives all ids but the first.</param>
    /// <param name="positions">Receives distances from the start of the row or of the document's part in it.</param>
    /// <returns>Number of targets that count.</returns>
    public static int Fill(
        ReadOnlySpan<int> tokens,
        ReadOnlySpan<int> documentStarts,
        bool documentMask,
        Span<int> inputs,
        Span<int> targets,
        Span<int> positions)
    {
        var count = tokens.Length - 1;
        tokens[..^1].CopyTo(inputs);
        tokens[1..].CopyTo(targets);
        Pad(inputs[count..], targets[count..], positions[count..]);
        if (!documentMask)
        {
            CountUp(positions[..count]);
            return count;
        }

        var start = 0;
        foreach (var next in documentStarts)
        {
            targets[next - 1] = TokenBatch.IgnoredTarget;
            CountUp(positions[start..next]);
            start = next;
        }

        CountUp(positions[start..count]);
        return count - documentStarts.Length;
    }

    /// <summary>Fills what is left of a row: a window of its own without targets.</summary>
    public static void Pad(Span<int> inputs, Span<int> targets, Span<int> positions)
    {
        inputs.Clear();
        targets.Fill(TokenBatch.IgnoredTarget);
        CountUp(positions);
    }

    /// <summary>Writes 0, 1, 2, ...</summary>
    public static void CountUp(Span<int> positions)
    {
        for (var i = 0; i < positions.Length; i++)
        {
            positions[i] = i;
        }
    }
}
