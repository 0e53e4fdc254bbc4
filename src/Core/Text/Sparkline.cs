namespace KvShiftScale.Core.Text;

/// <summary>A curve in one line of text.</summary>
public static class Sparkline
{
    private const string Bars = "▁▂▃▄▅▆▇█";

    /// <summary>Draws values from left to right; more values than characters are averaged in equal groups.</summary>
    /// <param name="values">The values; those that are not finite are left out.</param>
    /// <param name="width">Most characters to use.</param>
    public static string Draw(IReadOnlyList<double> values, int width)
    {
        var finite = values.Where(double.IsFinite).ToArray();
        var groups = new double[Math.Min(width, finite.Length)];
        for (var index = 0; index < groups.Length; index++)
        {
            var start = (int)((long)index * finite.Length / groups.Length);
            var end = (int)((long)(index + 1) * finite.Length / groups.Length);
            groups[index] = finite.AsSpan(start, end - start).ToArray().Average();
        }

        if (groups.Length == 0)
        {
            return "";
        }

        var lowest = groups.Min();
        var range = groups.Max() - lowest;
        return string.Concat(groups.Select(value => Bars[range > 0 ? (int)((value - lowest) / range * (Bars.Length - 1) + 0.5) : 0]));
    }
}
