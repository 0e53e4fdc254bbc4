using System.Text;
using KvShiftScale.Core.Files;
using KvShiftScale.Core.Text;

namespace KvShiftScale.Trainer.Reporting;

/// <summary>A line chart as SVG, inside a page or as a file of its own. Needs no script and no font from elsewhere.</summary>
public sealed record SvgChart
{
    /// <summary>Colours of a chart, light and dark; a page that holds charts puts this into its style.</summary>
    internal const string Style =
        """
        .chart{--ink:#1f2328;--muted:#656d76;--grid:#e4e8ec;--axis:#afb8c1;--card:#ffffff;--line:#0b6bcb;--dots:#d9480f;--mark:#8250df;
        --hue0:#0b6bcb;--hue1:#8c959f;--hue2:#d9480f;--hue3:#8250df;--hue4:#1a7f37;--hue5:#bf3989;--hue6:#9a6700;--hue7:#0a7d8c;
        --hue8:#3b4cca;--hue9:#6a9a00;--hue10:#7a4a2b;--hue11:#a40e26}
        @media (prefers-color-scheme:dark){
        .chart{--ink:#e6edf3;--muted:#9198a1;--grid:#262c36;--axis:#4a525d;--card:#12161d;--line:#58a6ff;--dots:#ff9b54;--mark:#bc8cff;
        --hue0:#58a6ff;--hue1:#8b949e;--hue2:#ff9b54;--hue3:#bc8cff;--hue4:#56d364;--hue5:#f778ba;--hue6:#e3b341;--hue7:#4fd1d9;
        --hue8:#8ea2ff;--hue9:#a8d44a;--hue10:#c99a78;--hue11:#ff8182}
        }
        .chart text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:var(--muted)}
        .chart .title{font-size:15px;font-weight:600;fill:var(--ink)}.chart .legend{fill:var(--ink)}
        .chart .end{text-anchor:end}.chart .middle{text-anchor:middle}
        .chart .grid{stroke:var(--grid)}.chart .axis{stroke:var(--axis)}
        .chart path{fill:none;stroke-linejoin:round;stroke-linecap:round}
        .chart .line{stroke:var(--line);stroke-width:2}.chart .faint{stroke:var(--line);stroke-width:1;opacity:.3}
        .chart .dots{stroke:var(--dots);stroke-width:2}.chart circle.dot{fill:var(--dots);stroke:var(--card);stroke-width:1.5}
        .chart circle.only{fill:var(--line)}
        .chart .hue0{--line:var(--hue0);--dots:var(--hue0)}.chart .hue1{--line:var(--hue1);--dots:var(--hue1)}
        .chart .hue2{--line:var(--hue2);--dots:var(--hue2)}.chart .hue3{--line:var(--hue3);--dots:var(--hue3)}
        .chart .hue4{--line:var(--hue4);--dots:var(--hue4)}.chart .hue5{--line:var(--hue5);--dots:var(--hue5)}
        .chart .hue6{--line:var(--hue6);--dots:var(--hue6)}.chart .hue7{--line:var(--hue7);--dots:var(--hue7)}
        .chart .hue8{--line:var(--hue8);--dots:var(--hue8)}.chart .hue9{--line:var(--hue9);--dots:var(--hue9)}
        .chart .hue10{--line:var(--hue10);--dots:var(--hue10)}.chart .hue11{--line:var(--hue11);--dots:var(--hue11)}
        .chart .hover rect{fill:transparent}.chart .hover rect:hover{fill:var(--axis);opacity:.25}
        .chart .mark{stroke:var(--mark);stroke-dasharray:4 4}.chart .marktext{fill:var(--mark);font-size:11px}
        """;

    private const double Left = 62;
    private const double Right = 22;
    private const double Top = 58;
    private const double Bottom = 48;
    private const double CharacterWidth = 6.6;
    private const double TitleCharacterWidth = 9.5;
    private const double LegendLine = 20;

    // Colours in the style.
    private const int Hues = 12;

    // Parts of the width that show, under the pointer, what the lines have there.
    private const int HoverColumns = 80;

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

    /// <summary>Small signs on the horizontal axis, whose labels the pointer shows.</summary>
    public IReadOnlyList<ChartMark> Notes { get; init; } = [];

    /// <summary>Whether the vertical axis is logarithmic; values that are not above 0 then interrupt their line.</summary>
    public bool IsLogarithmic { get; init; }

    /// <summary>
    /// Labels of the horizontal axis where its numbers stand for something else, such as logarithms; the axis then spans them all. Empty:
    /// round numbers from zero on.
    /// </summary>
    public IReadOnlyList<(double X, string Label)> XTicks { get; init; } = [];

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

    // A legend that does not fit beside the title has lines of its own above the plot.
    private double PlotTop => Top + (LegendLine * (IsLegendBesideTitle ? 0 : LegendLines().Count));

    private double PlotHeight => Height - PlotTop - Bottom;

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

        var x = XAxis(finite);
        var lowest = finite.Min(point => point.Y);
        var highest = Math.Max(YEnd ?? lowest, finite.Max(point => point.Y));
        var y = IsLogarithmic ? ChartAxis.Logarithmic(lowest, highest) : ChartAxis.Around(StartsAtZero ? Math.Min(0, lowest) : lowest, highest, 5);
        AppendAxes(svg, x, y);
        // Below all that has a word of its own for the pointer.
        AppendHover(svg, x);
        AppendMarks(svg, x);
        foreach (var series in Series)
        {
            AppendSeries(svg, series, x, y);
        }

        AppendLegend(svg);
        return svg.Append("</svg>").ToString();
    }

    private ChartAxis XAxis((double X, double Y)[] points)
    {
        if (XTicks.Count > 0)
        {
            // Half a step of room on both sides, so that dots do not sit on the border.
            return ChartAxis.Exactly(XTicks.Min(tick => tick.X) - 0.5, XTicks.Max(tick => tick.X) + 0.5, XTicks.Count);
        }

        var leftmost = Math.Min(0, points.Min(point => point.X));
        return ChartAxis.Exactly(leftmost, Math.Max(XEnd ?? leftmost, points.Max(point => point.X)), Math.Max(2, (int)(PlotWidth / 80)));
    }

    private void AppendAxes(StringBuilder svg, ChartAxis x, ChartAxis y)
    {
        foreach (var (value, label) in y.Ticks())
        {
            var at = Down(y, value);
            AppendLine(svg, "grid", Left, at, Width - Right, at);
            AppendText(svg, "end", Left - 8, at + 4, label);
        }

        foreach (var (value, label) in XTicks.Count > 0 ? XTicks : x.Ticks())
        {
            var at = Across(x, value);
            AppendLine(svg, "axis", at, Height - Bottom, at, Height - Bottom + 5);
            AppendText(svg, "middle", at, Height - Bottom + 19, label);
        }

        AppendLine(svg, "axis", Left, Height - Bottom, Width - Right, Height - Bottom);
        AppendText(svg, "middle", Left + (PlotWidth / 2), Height - 10, XLabel);
        AppendText(svg, "", 18, PlotTop - 14, YLabel);
    }

    private void AppendMarks(StringBuilder svg, ChartAxis x)
    {
        foreach (var note in Notes.Where(note => note.X >= x.Minimum && note.X <= x.Maximum))
        {
            var (at, floor) = (Across(x, note.X), Height - Bottom);
            svg.Append(Quantity.Format($"<path class=\"note\" style=\"fill:var(--mark)\" d=\"M{XmlText.Number(at)} {XmlText.Number(floor - 9)}l-5 9h10z\"><title>"))
                .Append(XmlText.Escape(note.Label)).Append("</title></path>\n");
        }

        var marks = Marks.Where(mark => mark.X >= x.Minimum && mark.X <= x.Maximum).OrderBy(mark => mark.X).ToArray();
        var free = Left;
        for (var index = 0; index < marks.Length; index++)
        {
            var mark = marks[index];
            var at = Across(x, mark.X);
            svg.Append(Quantity.Format($"<g><title>{XmlText.Escape(mark.Label)}</title>"));
            AppendLine(svg, "mark", at, PlotTop, at, Height - Bottom);
            svg.Append("</g>\n");

            // A label goes to the side of its line that has room; without room it is left to the pointer.
            var width = (mark.Label.Length * CharacterWidth) + 6;
            var next = index + 1 < marks.Length ? Across(x, marks[index + 1].X) : Width - Right;
            if (at + width <= next)
            {
                AppendText(svg, "marktext", at + 5, PlotTop + 11, mark.Label);
                free = at + width;
            }
            else if (at - width >= free)
            {
                AppendText(svg, "marktext end", at - 5, PlotTop + 11, mark.Label);
                free = at;
            }
            else
            {
                free = at;
            }
        }
    }

    // What the lines have nearest to the middle of each column that has something.
    private void AppendHover(StringBuilder svg, ChartAxis x)
    {
        svg.Append("<g class=\"hover\">\n");
        var width = PlotWidth / HoverColumns;
        var columns = Series.Where(series => series.Name.Length > 0 || Series.Count == 1).SelectMany((series, index) => series.Points.Where(IsFinite)
                .Select(point => (series.Name, Order: index, Point: point, Column: Math.Clamp((int)(x.Fraction(point.X) * HoverColumns), 0, HoverColumns - 1))))
            .GroupBy(found => found.Column);
        foreach (var column in columns)
        {
            var middle = (column.Key + 0.5) / HoverColumns;
            var nearest = column.GroupBy(found => found.Order).OrderBy(same => same.Key)
                .Select(same => same.MinBy(found => Math.Abs(x.Fraction(found.Point.X) - middle))).ToList();
            var values = nearest.Select(found => Quantity.Format($"{(found.Name.Length > 0 ? found.Name : Title)} {found.Point.Y:G4}"));
            svg.Append(Quantity.Format($"<rect x=\"{XmlText.Number(Left + (column.Key * width))}\" y=\"{XmlText.Number(PlotTop)}\" "))
                .Append(Quantity.Format($"width=\"{XmlText.Number(width)}\" height=\"{XmlText.Number(PlotHeight)}\"><title>"))
                .Append(Quantity.Format($"{XmlText.Escape(XLabel)} {XText(nearest[0].Point.X)}\n{XmlText.Escape(string.Join('\n', values))}</title></rect>\n"));
        }

        svg.Append("</g>\n");
    }

    private void AppendSeries(StringBuilder svg, ChartSeries series, ChartAxis x, ChartAxis y)
    {
        var name = ClassOf(series);
        var hue = HueOf(series);
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

        if (series.Style != ChartSeriesStyle.Points)
        {
            svg.Append(Quantity.Format($"<path class=\"{name}\" d=\"{path}\"/>\n"));
        }

        var hasDots = series.Style == ChartSeriesStyle.Points || (series.Style == ChartSeriesStyle.Dots && points.Count <= MostDots);
        var radius = points.Count <= MostDots ? 4 : 2;
        foreach (var (px, py) in points.Where(IsFinite))
        {
            if (hasDots || points.Count == 1)
            {
                svg.Append(Quantity.Format($"<circle class=\"{(HasDots(series) ? "dot" : "only")}{hue}\" "))
                    .Append(Quantity.Format($"cx=\"{XmlText.Number(Across(x, px))}\" cy=\"{XmlText.Number(Down(y, py))}\" r=\"{radius}\">"))
                    .Append(Quantity.Format($"<title>{XmlText.Escape(XLabel)} {XText(px)}: {py:0.####}</title></circle>\n"));
            }
        }
    }

    private ChartSeries[] Named => [.. Series.Where(series => series.Name.Length > 0 && series.Points.Count > 0)];

    private bool IsLegendBesideTitle => Named.Sum(LegendWidth) <= Width - Right - 18 - (Title.Length * TitleCharacterWidth);

    // Text, a line before it, and room on both sides.
    private static double LegendWidth(ChartSeries series) => (series.Name.Length * CharacterWidth) + 8 + 36;

    private List<List<ChartSeries>> LegendLines()
    {
        var lines = new List<List<ChartSeries>>();
        var room = 0.0;
        foreach (var series in Named)
        {
            room -= LegendWidth(series);
            if (room < 0)
            {
                lines.Add([]);
                room = Width - Right - 18 - LegendWidth(series);
            }

            lines[^1].Add(series);
        }

        return lines;
    }

    private void AppendLegend(StringBuilder svg)
    {
        if (IsLegendBesideTitle)
        {
            AppendLegendLine(svg, Named, 26);
            return;
        }

        var lines = LegendLines();
        for (var index = 0; index < lines.Count; index++)
        {
            AppendLegendLine(svg, lines[index], 26 + (LegendLine * (index + 1)));
        }
    }

    // Right-aligned, so built from its end.
    private void AppendLegendLine(StringBuilder svg, IReadOnlyList<ChartSeries> line, double baseline)
    {
        var at = Width - Right;
        foreach (var series in line.Reverse())
        {
            AppendText(svg, "legend end", at, baseline, series.Name);
            at -= (series.Name.Length * CharacterWidth) + 8;
            var (from, to, middle) = (XmlText.Number(at - 18), XmlText.Number(at), XmlText.Number(baseline - 4));
            if (series.Style != ChartSeriesStyle.Points)
            {
                svg.Append(Quantity.Format($"<path class=\"{ClassOf(series)}\" d=\"M{from} {middle}H{to}\"/>\n"));
            }

            if (HasDots(series))
            {
                svg.Append(Quantity.Format($"<circle class=\"dot{HueOf(series)}\" cx=\"{XmlText.Number(at - 9)}\" cy=\"{middle}\" r=\"4\"/>\n"));
            }

            at -= 36;
        }
    }

    private string XText(double value) => XTicks.FirstOrDefault(tick => tick.X == value).Label is { } label
        ? XmlText.Escape(label)
        : Quantity.Format($"{value:0.##}");

    private static bool HasDots(ChartSeries series) => series.Style is ChartSeriesStyle.Dots or ChartSeriesStyle.Points;

    private static string ClassOf(ChartSeries series) => series.Style.ToString().ToLowerInvariant() + HueOf(series);

    private static string HueOf(ChartSeries series) => series.Hue is { } hue ? Quantity.Format($" hue{hue % Hues}") : "";

    private double Across(ChartAxis axis, double value) => Left + (axis.Fraction(value) * PlotWidth);

    private double Down(ChartAxis axis, double value) => Height - Bottom - (axis.Fraction(value) * PlotHeight);

    private bool IsFinite((double X, double Y) point) => double.IsFinite(point.X) && double.IsFinite(point.Y) && (!IsLogarithmic || point.Y > 0);

    private static void AppendLine(StringBuilder svg, string name, double x1, double y1, double x2, double y2) =>
        svg.Append(Quantity.Format($"<line class=\"{name}\" x1=\"{XmlText.Number(x1)}\" y1=\"{XmlText.Number(y1)}\" "))
            .Append(Quantity.Format($"x2=\"{XmlText.Number(x2)}\" y2=\"{XmlText.Number(y2)}\"/>\n"));

    private static void AppendText(StringBuilder svg, string name, double x, double y, string text) =>
        svg.Append(Quantity.Format($"<text class=\"{name}\" x=\"{XmlText.Number(x)}\" y=\"{XmlText.Number(y)}\">"))
            .Append(XmlText.Escape(text)).Append("</text>\n");
}
