namespace KvShiftScale.Parallel.Gradients;

/// <summary>What collectives that may run beside the computation have cost this rank so far, in seconds.</summary>
/// <param name="Transfer">From the moment when every rank had begun a buffer to its end, be it beside the computation or not.</param>
/// <param name="Exposed">Of these, the part in which the computing thread waited.</param>
/// <param name="Late">The computing thread's wait for ranks that had not begun a buffer yet. Not known, and 0, without overlap.</param>
public readonly record struct OverlapTotals(double Transfer, double Exposed, double Late)
{
    /// <summary>Share of the transfers that the computing thread did not wait for, 0 to 1; null where nothing was transferred.</summary>
    public double? HiddenFraction => Transfer > 0 ? Math.Clamp(1 - Exposed / Transfer, 0, 1) : null;

    /// <summary>Both together.</summary>
    public static OverlapTotals operator +(OverlapTotals left, OverlapTotals right)
        => new(left.Transfer + right.Transfer, left.Exposed + right.Exposed, left.Late + right.Late);

    /// <summary>What came since an earlier reading.</summary>
    public static OverlapTotals operator -(OverlapTotals later, OverlapTotals earlier)
        => new(later.Transfer - earlier.Transfer, later.Exposed - earlier.Exposed, later.Late - earlier.Late);
}
