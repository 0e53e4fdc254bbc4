using System.Text;
using KvShiftScale.Trainer.Checkpoints;

namespace KvShiftScale.Trainer.Reporting;

/// <summary>A line chart as SVG, inside a page or as a file of its own. Needs no script and no font from elsewhere.</summary>
public sealed record SvgChart
{
    /// <summary>Colours of a chart, light and dark; a page that holds charts puts this into its style.</summary>
    internal const string Style =
        """
        .chart{--ink:#1f2328;--muted:#656d76;--grid:#e4e8ec;--axis:#afb8c1;--card:#ffffff;--line:#0b6bcb;--dots:#d9480f;--mark:#8250df}
        @media (prefers-color-scheme:dark){
        .chart{--ink:#e6edf3;--muted:#9198a1;--grid:#262c36;--axis:#4a525d;--card:#12161d;--line:#58a6ff;--dots:#ff9b54;--mark:#bc8cff}
        }
        .chart text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:var(--muted)}
        .chart .title{font-size:15px;font-weight:600;fill:var(--ink)}.chart .legend{fill:var(--ink)}
        .chart .end{text-anchor:end}.chart .middle{text-anchor:middle}
        .chart .grid{stroke:var(--grid)}.chart .axis{stroke:var(--axis)}
        .chart path{fill:none;stroke-linejoin:round;stroke-linecap:round}
        .chart .line{stroke:var(--line);stroke-width:2}.chart .faint{stroke:var(--line);stroke-width:1;opacity:.3}
        .chart .dots{stroke:var(--dots);stroke-width:2}.chart circle.dot{fill:var(--dots);stroke:var(--card);stroke-width:1.5}
        .chart circle.only{fill:var(--line)}
        .chart .mark{stroke:var(--mark);stroke-dasharray:4 4}.chart .marktext{fill:var(--mark);font-size:11px}
        """;

    private const double Left = 62;
    private const double Right = 22;
    private const double Top = 58;
    private const double Bottom = 48;
    private const double CharacterWidth = 6.6;

    // A dot for every point stops being readable here.
    private const int MostDots = 60;

    /// <summary>Heading.</summary>
    public required string Title { get; init; }

    /// <summary>Name of the horizontal axis, which starts at zero or below.</summary>
    public required string XLabel { get; init; }

    /// <summary>Name and unit of the vertical axis.</summary>
    public required string YLabel { get; init; }

    /// <summary>The lines, from back to front.</summary>
    public required IReadOnlyList<ChartSeries> Series { get; init; }

    /// <summary>Vertical lines with labels.</summary>
    public IReadOnlyList<ChartMark> Marks { get; init; } = [];

    /// <summary>Whether the vertical axis starts at zero instead of below the smallest value.</summary>
    public bool StartsAtZero { get; init; }

    /// <summary>The horizontal axis ends here, or at the last point if that is farther; null: at the last point.</summary>
    public double? XEnd { get; init; }

    /// <summary>The vertical axis ends here, or above the largest value if that is higher; null: above the largest value.</summary>
    public double? YEnd { get; init; }

    /// <summary>Width in pixels; in a page it shrinks and grows with the space there is.</summary>
    public int Width { get; init; } = 860;

    /// <summary>Height in pixels.</summary>
    public int Height { get; init; } = 360;

    private double PlotWidth => Width - Left - Right;

    private double PlotHeight => Height - Top - Bottom;

    /// <summary>The chart as an element for a page that has <see cref="Style"/> in its style.</summary>
    public string ToElement() => Draw("");

    /// <summary>The chart as the text of an SVG file, style and background included.</summary>
    public string ToFileText() =>
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" +
        Draw($"<style>{XmlText.Escape(Style).Replace("&quot;", "\"", StringComparison.Ordinal)}</style>\n" +
            "<rect width=\"100%\" height=\"100%\" rx=\"10\" style=\"fill:var(--card)\"/>\n") + "\n";

    /// <summary>Writes the chart as an SVG file.</summary>
    public void Save(string path) => DurableFile.Replace(path, ToFileText());

    private string Draw(string beforeContent)
    {
        var svg = new StringBuilder();
        svg.Append(Quantity.Format(
            $"<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {Height}\" "));
        svg.Append(Quantity.Format($"width=\"{Width}\" height=\"{Height}\" role=\"img\" aria-label=\"{XmlText.Escape(Title)}\">\n"));
        svg.Append(beforeContent);
        AppendText(svg, "title", 18, 26, Title);
        var finite = Series.SelectMany(series => series.Points).Where(IsFinite).ToArray();
        if (finite.Length == 0)
        {
            AppendText(svg, "middle", Width / 2.0, Height / 2.0, "Nothing is logged yet.");
            return svg.Append("</svg>").ToString();
        }

        var leftmost = Math.Min(0, finite.Min(point => point.X));
        var x = ChartAxis.Exactly(leftmost, Math.Max(XEnd ?? leftmost, finite.Max(point => point.X)), Math.Max(2, (int)(PlotWidth / 80)));
        var lowest = finite.Min(point => point.Y);
        var y = ChartAxis.Around(StartsAtZero ? Math.Min(0, lowest) : lowest, Math.Max(YEnd ?? lowest, finite.Max(point => point.Y)), 5);
        AppendAxes(svg, x, y);
        AppendMarks(svg, x);
        foreach (var series in Series)
        {
            AppendSeries(svg, series, x, y);
        }

        AppendLegend(svg);
        return svg.Append("</svg>").ToString();
    }

    private void AppendAxes(StringBuilder svg, ChartAxis x, ChartAxis y)
    {
        foreach (var (value, label) in y.Ticks())
        {
            var at = Down(y, value);
            AppendLine(svg, "grid", Left, at, Width - Right, at);
            AppendText(svg, "end", Left - 8, at + 4, label);
        }

        foreach (var (value, label) in x.Ticks())
        {
            var at = Across(x, value);
            AppendLine(svg, "axis", at, Height - Bottom, at, Height - Bottom + 5);
            AppendText(svg, "middle", at, Height - Bottom + 19, label);
        }

        AppendLine(svg, "axis", Left, Height - Bottom, Width - Right, Height - Bottom);
        AppendText(svg, "middle", Left + (PlotWidth / 2), Height - 10, XLabel);
        AppendText(svg, "", 18, Top - 14, YLabel);
    }

    private void AppendMarks(StringBuilder svg, ChartAxis x)
    {
        var marks = Marks.Where(mark => mark.X >= x.Minimum && mark.X <= x.Maximum).OrderBy(mark => mark.X).ToArray();
        var free = Left;
        for (var index = 0; index < marks.Length; index++)
        {
            var mark = marks[index];
            var at = Across(x, mark.X);
            svg.Append(Quantity.Format($"<g><title>{XmlText.Escape(mark.Label)}</title>"));
            AppendLine(svg, "mark", at, Top, at, Height - Bottom);
            svg.Append("</g>\n");

            // A label goes to the side of its line that has room; without room it is left to the pointer.
            var width = (mark.Label.Length * CharacterWidth) + 6;
            var next = index + 1 < marks.Length ? Across(x, marks[index + 1].X) : Width - Right;
            if (at + width <= next)
            {
                AppendText(svg, "marktext", at + 5, Top + 11, mark.Label);
                free = at + width;
            }
            else if (at - width >= free)
            {
                AppendText(svg, "marktext end", at - 5, Top + 11, mark.Label);
                free = at;
            }
            else
            {
                free = at;
            }
        }
    }

    private void AppendSeries(StringBuilder svg, ChartSeries series, ChartAxis x, ChartAxis y)
    {
        var name = series.Style.ToString().ToLowerInvariant();
        var points = ChartPoints.Reduce(series.Points, columns: (int)PlotWidth);
        var path = new StringBuilder();
        var isPenDown = false;
        foreach (var (px, py) in points)
        {
            if (!IsFinite((px, py)))
            {
                isPenDown = false;
                continue;
            }

            path.Append(isPenDown ? 'L' : 'M').Append(XmlText.Number(Across(x, px))).Append(' ').Append(XmlText.Number(Down(y, py)));
            isPenDown = true;
        }

        svg.Append(Quantity.Format($"<path class=\"{name}\" d=\"{path}\"/>\n"));
        var hasDots = series.Style == ChartSeriesStyle.Dots && points.Count <= MostDots;
        foreach (var (px, py) in points.Where(IsFinite))
        {
            if (hasDots || points.Count == 1)
            {
                svg.Append(Quantity.Format($"<circle class=\"{(series.Style == ChartSeriesStyle.Dots ? "dot" : "only")}\" "))
                    .Append(Quantity.Format($"cx=\"{XmlText.Number(Across(x, px))}\" cy=\"{XmlText.Number(Down(y, py))}\" r=\"4\">"))
                    .Append(Quantity.Format($"<title>{XmlText.Escape(XLabel)} {px:0.##}: {py:0.####}</title></circle>\n"));
            }
        }
    }

    private void AppendLegend(StringBuilder svg)
    {
        var at = Width - Right;
        foreach (var series in Series.Where(series => series.Name.Length > 0 && series.Points.Count > 0).Reverse())
        {
            AppendText(svg, "legend end", at, 26, series.Name);
            at -= (series.Name.Length * CharacterWidth) + 8;
            var name = series.Style.ToString().ToLowerInvariant();
            svg.Append(Quantity.Format($"<path class=\"{name}\" d=\"M{XmlText.Number(at - 18)} 22H{XmlText.Number(at)}\"/>\n"));
            if (series.Style == ChartSeriesStyle.Dots)
            {
                svg.Append(Quantity.Format($"<circle class=\"dot\" cx=\"{XmlText.Number(at - 9)}\" cy=\"22\" r=\"4\"/>\n"));
            }

            at -= 36;
        }
    }

    private double Across(ChartAxis axis, double value) => Left + (axis.Fraction(value) * PlotWidth);

    private double Down(ChartAxis axis, double value) => Height - Bottom - (axis.Fraction(value) * PlotHeight);

    private static bool IsFinite((double X, double Y) point) => double.IsFinite(point.X) && double.IsFinite(point.Y);

    private static void AppendLine(StringBuilder svg, string name, double x1, double y1, double x2, double y2) =>
        svg.Append(Quantity.Format($"<line class=\"{name}\" x1=\"{XmlText.Number(x1)}\" y1=\"{XmlText.Number(y1)}\" "))
            .Append(Quantity.Format($"x2=\"{XmlText.Number(x2)}\" y2=\"{XmlText.Number(y2)}\"/>\n"));

    private static void AppendText(StringBuilder svg, string name, double x, double y, string text) =>
        svg.Append(Quantity.Format($"<text class=\"{name}\" x=\"{XmlText.Number(x)}\" y=\"{XmlText.Number(y)}\">"))
            .Append(XmlText.Escape(text)).Append("</text>\n");
}
