namespace KvShiftScale.Data;

/// <summary>Turns a row of tokens into inputs, targets and positions.</summary>
internal static class RowLayout
{
    /// <summary>Fills one row of a batch.</summary>
    /// <param name="tokens">context + 1 ids.</param>
    /// <param name="documentStarts">Ascending places in [1, context] at which a document begins.</param>
    /// <param name="documentMask">Whether positions restart at a document and no target crosses into the next one.</param>
    /// <param name="inputs">Receives ids 0 to context - 1.</param>
    /// <param name="targets">Receives ids 1 to context.</param>
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
        tokens[..^1].CopyTo(inputs);
        tokens[1..].CopyTo(targets);
        if (!documentMask)
        {
            CountUp(positions);
            return targets.Length;
        }

        var start = 0;
        foreach (var next in documentStarts)
        {
            targets[next - 1] = TokenBatch.IgnoredTarget;
            CountUp(positions[start..next]);
            start = next;
        }

        CountUp(positions[start..]);
        return targets.Length - documentStarts.Length;
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
