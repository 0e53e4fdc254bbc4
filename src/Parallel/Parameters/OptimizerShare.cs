namespace KvShiftScale.Parallel.Parameters;

/// <summary>
/// Which part of every bucket this rank updates: part <see cref="Index"/> of <see cref="Count"/> equal ones (ZeRO stages 1 and 2, Rajbhandari
/// et al. 2020), or everything.
/// </summary>
public readonly record struct OptimizerShare
{
    // Parts of a shared bucket begin at whole cache lines.
    private const long PartAlignment = 16;

    /// <param name="index">From 0.</param>
    /// <param name="count">Number of parts.</param>
    /// <param name="dividesGradients">Of gradients, too, only that part is kept (ZeRO stage 2).</param>
    public OptimizerShare(int index, int count, bool dividesGradients = false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, count);
        Index = index;
        Count = count;
        DividesGradients = dividesGradients && count > 1;
    }

    /// <summary>This rank's part.</summary>
    public int Index { get; }

    /// <summary>Parts of a bucket.</summary>
    public int Count { get; }

    /// <summary>Whether gradients are kept as this part only, where there are others.</summary>
    public bool DividesGradients { get; }

    /// <summary>Elements of a bucket of <paramref name="length"/> with padding up to equal parts, where there are several.</summary>
    public long Padded(long length) => Count == 1 ? length : (length + PartAlignment * Count - 1) / (PartAlignment * Count) * (PartAlignment * Count);

    /// <summary>The only part of one.</summary>
    public static OptimizerShare Whole => new(0, 1);
}
