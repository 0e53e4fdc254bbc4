using System.Globalization;
using System.Xml.Linq;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Tests.Reporting;

public sealed class SvgChartTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    [Fact]
    public void PointsLieWhereTheAxesSay()
    {
        // The plot spans x 62..838 and y 312..58 (margins 62, 22, 58, 48 of 860 x 360); both axes run from 0 to 10.
        var chart = Chart(new ChartSeries("loss", ChartSeriesStyle.Line, [(0, 0), (5, 10), (10, 5)]));

        var path = Elements(chart, "path").First(element => (string?)element.Attribute("class") == "line");

        Assert.Equal("M62 312L450 58L838 185", (string?)path.Attribute("d"));
    }

    [Fact]
    public void ValuesThatAreNotFiniteInterruptTheLine()
    {
        (double X, double Y)[] points = [(0, 0), (1, 10), (2, double.NaN), (3, double.PositiveInfinity), (4, 0), (10, 10)];
        var chart = Chart(new ChartSeries("", ChartSeriesStyle.Line, points));

        var path = (string)Elements(chart, "path").Single().Attribute("d")!;

        Assert.Equal(2, path.Count(character => character == 'M'));
        Assert.DoesNotContain("NaN", path);
        Assert.DoesNotContain("Infinity", path);
    }

    [Fact]
    public void ValidationsHaveDotsWithTheirNumbers()
    {
        var chart = Chart(new ChartSeries("validation", ChartSeriesStyle.Dots, [(0, 8.25), (10, 4.5)]));

        var titles = Elements(chart, "circle").SelectMany(circle => circle.Elements(Svg + "title")).Select(title => title.Value);

        Assert.Equal(["step 0: 8.25", "step 10: 4.5"], titles);
    }

    [Fact]
    public void LabelledTicksReplaceTheNumbersOfTheAxis()
    {
        // Logarithms of 8, 16 and 32, with half a unit of room on both sides: 3 lies at a sixth of 62..838.
        var chart = Chart(new ChartSeries("", ChartSeriesStyle.Dots, [(3, 0), (4, 1), (5, 2)])) with { XTicks = [(3, "8"), (4, "16"), (5, "32")] };

        Assert.Equal(191.33, double.Parse((string)Elements(chart, "circle").First().Attribute("cx")!, CultureInfo.InvariantCulture), 0.01);
        Assert.Contains(Elements(chart, "text"), text => text.Value == "16");
        Assert.DoesNotContain(Elements(chart, "text"), text => text.Value == "4.0");
        Assert.EndsWith(" 8: 0", Elements(chart, "circle").First().Element(Svg + "title")!.Value, StringComparison.Ordinal);
    }

    [Fact]
    public void SeriesWithAHueCarryItInLineAndLegend()
    {
        var chart = Chart(new ChartSeries("second", ChartSeriesStyle.Line, [(0, 0), (1, 1)]) { Hue = 2 });

        Assert.Equal("line hue2", (string?)Elements(chart, "path").Single().Attribute("class"));
        Assert.Equal(2, chart.ToElement().Split("class=\"line hue2\"").Length - 1);
    }

    [Fact]
    public void ALegendThatDoesNotFitBesideTheTitleHasLinesOfItsOwn()
    {
        // Ten names of 18 letters at about 163 pixels: five to a line of 820 pixels.
        var series = Enumerable.Range(0, 10).Select(hue =>
            new ChartSeries($"window{hue} shift, 1 l", ChartSeriesStyle.Line, [(0, 0), (10, 10)]) { Hue = hue }).ToArray();
        var chart = Chart(series[0]) with { Series = series };

        var legend = Elements(chart, "text").Where(text => (string?)text.Attribute("class") == "legend end").ToArray();

        Assert.Equal(10, legend.Length);
        Assert.Equal(["46", "66"], legend.Select(text => (string)text.Attribute("y")!).Distinct());
        // The plot begins two lines of 20 pixels lower than the 58 that it has otherwise.
        Assert.Equal("M62 312L838 98", (string?)Elements(chart, "path").First().Attribute("d"));
    }

    [Fact]
    public void MarksAreDrawnWithinThePlotAndLabelled()
    {
        var chart = Chart(new ChartSeries("", ChartSeriesStyle.Line, [(0, 0), (10, 10)])) with
        {
            Marks = [new ChartMark(5, "resumed after 5"), new ChartMark(9.9, "resumed after 9.9"), new ChartMark(11, "outside")],
        };

        var lines = Elements(chart, "line").Where(line => (string?)line.Attribute("class") == "mark").ToArray();

        Assert.Equal(2, lines.Length);
        Assert.Equal(450, double.Parse((string)lines[0].Attribute("x1")!, CultureInfo.InvariantCulture));
        Assert.Equal(
            ["resumed after 5", "resumed after 9.9"],
            Elements(chart, "text")
                .Where(text => ((string)text.Attribute("class")!).StartsWith("mark", StringComparison.Ordinal))
                .Select(text => text.Value));
    }

    [Fact]
    public void TextIsEscaped()
    {
        var chart = Chart(new ChartSeries("<b> & \"c\"", ChartSeriesStyle.Line, [(0, 1), (1, 2)])) with { Title = "</svg><script>" };

        Assert.Contains("</svg><script>", Elements(chart, "text").Select(text => text.Value));
        Assert.Contains("<b> & \"c\"", Elements(chart, "text").Select(text => text.Value));
        Assert.DoesNotContain("<script", chart.ToElement());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void NothingAndASinglePointCanBeDrawn(int count)
    {
        var chart = Chart(new ChartSeries("a", ChartSeriesStyle.Line, [.. Enumerable.Repeat((3.0, 4.0), count)]));

        Assert.Equal(count, Elements(chart, "circle").Count());
        Assert.Equal(count == 0, chart.ToElement().Contains("Nothing is logged yet", StringComparison.Ordinal));
    }

    [Fact]
    public void FileStandsAlone()
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("loss.svg");
        RunCharts.Loss([.. Enumerable.Range(1, 30).Select(step => StepRecords.At(step, step % 10 == 0 ? 3 : null))], [15]).Save(path);

        var root = XDocument.Load(path).Root!;

        Assert.Equal(Svg + "svg", root.Name);
        Assert.Contains("prefers-color-scheme:dark", root.Element(Svg + "style")!.Value);
        Assert.Contains("resumed after 15", root.Descendants(Svg + "text").Select(text => text.Value));
        Assert.DoesNotContain("href", File.ReadAllText(path));
    }

    [Fact]
    public void LongRunStaysASmallPicture()
    {
        var records = Enumerable.Range(1, 200_000).Select(step => StepRecords.At(step)).ToArray();

        var text = RunCharts.Loss(records, []).ToFileText();

        Assert.InRange(text.Length, 1_000, 200_000);
        Assert.Contains("training (smoothed)", text);
    }

    private static SvgChart Chart(ChartSeries series) => new()
    {
        Title = "Loss",
        XLabel = "step",
        YLabel = "nats",
        Series = [series],
        StartsAtZero = true,
    };

    /// <summary>Elements of the drawing; the lines of the legend, drawn with H, are left out.</summary>
    private static IEnumerable<XElement> Elements(SvgChart chart, string name) => XDocument.Parse(chart.ToFileText())
        .Descendants(Svg + name)
        .Where(element => !(name == "path" && ((string)element.Attribute("d")!).Contains('H', StringComparison.Ordinal)));
}
