namespace KvShiftScale.Trainer.Reporting;

/// <summary>Thins and smooths the points of a chart.</summary>
internal static class ChartPoints
{
    /// <summary>
    /// Leaves the first, the lowest, the highest and the last point of each column of pixels, so that a line over a million points
    /// looks the same and is small. Points that are not finite stay: they interrupt the line.
    /// </summary>
    public static IReadOnlyList<(double X, double Y)> Reduce(IReadOnlyList<(double X, double Y)> points, int columns)
    {
        if (points.Count <= 4 * columns)
        {
            return points;
        }

        var first = points[0].X;
        var columnWidth = (points[^1].X - first) / columns;
        var reduced = new List<(double X, double Y)>();
        var start = 0;
        while (start < points.Count)
        {
            var column = ColumnOf(points[start].X);
            var end = start + 1;
            while (end < points.Count
                && ColumnOf(points[end].X) == column
                && double.IsFinite(points[end].Y) == double.IsFinite(points[start].Y))
            {
                end++;
            }

            var lowest = start;
            var highest = start;
            for (var index = start; index < end; index++)
            {
                lowest = points[index].Y < points[lowest].Y ? index : lowest;
                highest = points[index].Y > points[highest].Y ? index : highest;
            }

            reduced.AddRange(new[] { start, lowest, highest, end - 1 }.Distinct().Order().Select(index => points[index]));
            start = end;
        }

        return reduced;

        long ColumnOf(double x) => columnWidth > 0 ? (long)((x - first) / columnWidth) : 0;
    }

    /// <summary>
    /// The mean of each point and its neighbours up to <paramref name="reach"/> away. Near the start, where a curve is steep, it reaches
    /// as far ahead as there are points behind.
    /// </summary>
    public static IReadOnlyList<(double X, double Y)> Smooth(IReadOnlyList<(double X, double Y)> points, int reach)
    {
        var sums = new double[points.Count + 1];
        for (var index = 0; index < points.Count; index++)
        {
            sums[index + 1] = sums[index] + points[index].Y;
        }

        var smooth = new (double X, double Y)[points.Count];
        for (var index = 0; index < points.Count; index++)
        {
            var within = Math.Min(reach, index);
            var start = index - within;
            var end = Math.Min(points.Count, index + within + 1);
            smooth[index] = (points[index].X, (sums[end] - sums[start]) / (end - start));
        }

        return smooth;
    }
}
