namespace KvShiftScale.Parallel.Parameters;

/// <summary>
/// Elements of a tensor in row-major order: <see cref="Count"/> runs of <see cref="Length"/> consecutive elements, whose beginnings are
/// <see cref="Stride"/> apart. Where they are packed, the runs lie one after the other without gaps.
/// </summary>
/// <param name="Start">First element of the first run.</param>
/// <param name="Length">Elements of a run.</param>
/// <param name="Stride">Elements from the beginning of one run to that of the next.</param>
/// <param name="Count">Runs.</param>
public readonly record struct ElementRuns(long Start, long Length, long Stride, long Count)
{
    /// <summary>Elements of all runs.</summary>
    public long ElementCount => Length * Count;

    /// <summary>Element after the last.</summary>
    public long End => Start + (Count - 1) * Stride + Length;

    /// <summary>One run.</summary>
    public static ElementRuns Consecutive(long start, long length) => new(start, length, length, 1);

    /// <summary>
    /// The elements from <paramref name="first"/> on, counted in packed order: what is left of a run, whole runs, and the beginning of
    /// a run, as far as there are such.
    /// </summary>
    /// <param name="first">Where to begin.</param>
    /// <param name="count">Elements.</param>
    public IEnumerable<ElementRuns> Part(long first, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, ElementCount - first);
        var (run, skipped) = (first / Math.Max(1, Length), first % Math.Max(1, Length));
        while (count > 0)
        {
            if (skipped > 0 || count < Length)
            {
                var taken = Math.Min(Length - skipped, count);
                yield return Consecutive(Start + run * Stride + skipped, taken);
                (run, skipped, count) = (run + 1, 0, count - taken);
                continue;
            }
            var runs = count / Length;
            yield return runs == 1 ? Consecutive(Start + run * Stride, Length) : new ElementRuns(Start + run * Stride, Length, Stride, runs);
            (run, count) = (run + runs, count - runs * Length);
        }
    }
}
