namespace KvShiftScale.Trainer.Reporting;

/// <summary>Points over two axes of the same scale, with the diagonal on which both coordinates are equal in size.</summary>
public sealed record SvgScatter
{
    /// <summary>Colours; a page that holds scatters puts this into its style, behind <see cref="SvgChart.Style"/>.</summary>
    internal const string Style =
        ".chart .point{fill:var(--line);fill-opacity:.6}.chart .marked{fill:var(--dots)}.chart .diagonal{stroke:var(--axis);stroke-dasharray:3 4}";

    private const double Left = 62;
    private const double Top = 58;
    private const double Right = 22;
    private const double Bottom = 48;
    private const double PlotWidth = 436;
    private const double PlotHeight = 300;

    /// <summary>Heading.</summary>
    public required string Title { get; init; }

    /// <summary>Name of the axis across.</summary>
    public required string XLabel { get; init; }

    /// <summary>Name of the axis up.</summary>
    public required string YLabel { get; init; }

    /// <summary>What a marked point is.</summary>
    public required string MarkedLabel { get; init; }

    /// <summary>The points; ones that are not finite are left out.</summary>
    public required IReadOnlyList<ScatterPoint> Points { get; init; }

    /// <summary>The picture as an element for a page that has the styles.</summary>
    public string ToElement()
    {
        var points = Points.Where(point => double.IsFinite(point.X) && double.IsFinite(point.Y)).ToArray();
        var x = ChartAxis.Around(Math.Min(0, points.Select(point => point.X).DefaultIfEmpty(0).Min()),
            Math.Max(1, points.Select(point => point.X).DefaultIfEmpty(0).Max()), 5);
        var y = ChartAxis.Around(Math.Min(0, points.Select(point => point.Y).DefaultIfEmpty(0).Min()),
            Math.Max(1, points.Select(point => point.Y).DefaultIfEmpty(0).Max()), 5);
        var svg = new SvgDrawing(Left + PlotWidth + Right, Top + PlotHeight + Bottom, Title);
        foreach (var (value, label) in y.Ticks())
        {
            svg.Line(value == 0 ? "axis" : "grid", Left, Down(y, value), Left + PlotWidth, Down(y, value));
            svg.Text("end", Left - 8, Down(y, value) + 4, label);
        }

        foreach (var (value, label) in x.Ticks())
        {
            svg.Line(value == 0 ? "axis" : "grid", Across(x, value), Top, Across(x, value), Top + PlotHeight);
            svg.Text("middle", Across(x, value), Top + PlotHeight + 19, label);
        }

        var (start, end) = (Math.Max(x.Minimum, y.Minimum), Math.Min(x.Maximum, y.Maximum));
        svg.Line("diagonal", Across(x, start), Down(y, start), Across(x, end), Down(y, end));
        svg.Text("middle", Left + (PlotWidth / 2), Top + PlotHeight + 38, XLabel);
        svg.Text("", 18, Top - 14, YLabel);
        foreach (var point in points.OrderBy(point => point.IsMarked))
        {
            svg.Disc(point.IsMarked ? "marked" : "point", Across(x, point.X), Down(y, point.Y), 4, point.Hint);
        }

        if (points.Any(point => point.IsMarked))
        {
            svg.Text("legend end", Left + PlotWidth, Top - 14, MarkedLabel);
            svg.Disc("marked", Left + PlotWidth - (MarkedLabel.Length * 6.6) - 8, Top - 18, 4, MarkedLabel);
        }

        return svg.End();
    }

    private static double Across(ChartAxis axis, double value) => Left + (axis.Fraction(value) * PlotWidth);

    private static double Down(ChartAxis axis, double value) => Top + ((1 - axis.Fraction(value)) * PlotHeight);
}
