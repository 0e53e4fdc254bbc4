namespace KvShiftScale.Core.Numbers;

/// <summary>The middle of a few numbers.</summary>
public static class Median
{
    /// <summary>Mean of the two in the middle for an even count; infinite values sort last. NaN of nothing.</summary>
    public static double Of(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        if (sorted.Length == 0)
        {
            return double.NaN;
        }

        var middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
