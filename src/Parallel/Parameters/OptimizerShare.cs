namespace KvShiftScale.Parallel.Parameters;

/// <summary>
/// Which part of every bucket this rank updates: part <see cref="Index"/> of <see cref="Count"/> equal ones (ZeRO stage 1, Rajbhandari
/// et al. 2020), or everything.
/// </summary>
public readonly record struct OptimizerShare
{
    /// <param name="index">From 0.</param>
    /// <param name="count">Number of parts.</param>
    public OptimizerShare(int index, int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, count);
        Index = index;
        Count = count;
    }

    /// <summary>This rank's part.</summary>
    public int Index { get; }

    /// <summary>Parts of a bucket.</summary>
    public int Count { get; }

    /// <summary>The only part of one.</summary>
    public static OptimizerShare Whole => new(0, 1);
}
