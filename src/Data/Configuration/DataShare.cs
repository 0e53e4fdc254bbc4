namespace KvShiftScale.Data.Configuration;

/// <summary>Which part of the work a reader takes: share <see cref="Index"/> of <see cref="Count"/> equal ones.</summary>
public readonly record struct DataShare
{
    /// <exception cref="ArgumentOutOfRangeException">The index is not in [0, count).</exception>
    public DataShare(int index, int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, count);
        Index = index;
        Count = count;
    }

    /// <summary>The only share of one: everything.</summary>
    public static DataShare Whole => new(0, 1);

    public int Index { get; }

    public int Count { get; }

    /// <summary>The range that this share takes of <paramref name="total"/> items; the ranges of all shares join without a gap.</summary>
    public (int Start, int End) Of(int total)
        => ((int)((long)Index * total / Count), (int)((Index + 1L) * total / Count));
}
