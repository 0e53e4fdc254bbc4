using System.Xml.Linq;
using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Tests.Reporting;

public sealed class SvgHeatMapTests
{
    [Fact]
    public void CellsLieByRowFromTheBottomAndAreAsStrongAsTheirNumbers()
    {
        var cells = Cells(new SvgHeatMap { Title = "m", RowLabel = "layer", ColumnLabel = "head", Rows = [[0.25f, 1], [0, 0.5f]] });

        Assert.Equal(["layer 0, head 0: 0.250", "layer 0, head 1: 1.000", "layer 1, head 0: 0.000", "layer 1, head 1: 0.500"],
            cells.Select(cell => cell.Value));
        Assert.Equal([0.25, 1, 0, 0.5], cells.Select(cell => (double)cell.Attribute("fill-opacity")!));
        Assert.True((double)cells[0].Attribute("y")! > (double)cells[2].Attribute("y")!);
        Assert.True((double)cells[0].Attribute("x")! < (double)cells[1].Attribute("x")!);
        Assert.Equal((double)cells[0].Attribute("y")!, (double)cells[1].Attribute("y")!);
    }

    [Fact]
    public void NumbersThatChanceGivesAreFaintAndThoseThatAreNoneAreLeftOut()
    {
        var cells = Cells(new SvgHeatMap
        {
            Title = "m",
            RowLabel = "layer",
            ColumnLabel = "head",
            Rows = [[0.5f, 0.75f, 0.1f, float.NaN, 1]],
            Faintest = 0.5,
        });

        Assert.Equal([0, 0.5, 0, 1], cells.Select(cell => (double)cell.Attribute("fill-opacity")!));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(48, 48)]
    [InlineData(96, 4)]
    [InlineData(2, 96)]
    public void MapsOfAnyShapeStayWithinTheirPicture(int layers, int heads)
    {
        var map = new SvgHeatMap
        {
            Title = "m",
            RowLabel = "layer",
            ColumnLabel = "head",
            Rows = [.. Enumerable.Range(0, layers).Select(_ => new float[heads])],
        };
        var svg = XElement.Parse(map.ToElement());
        var (width, height) = ((double)svg.Attribute("width")!, (double)svg.Attribute("height")!);

        Assert.Equal(layers * heads, Cells(map).Count);
        Assert.InRange(height, 100, 700);
        foreach (var part in svg.Elements().Where(element => element.Attribute("x") is not null))
        {
            Assert.InRange((double)part.Attribute("x")! + (double?)part.Attribute("width") ?? 0, 0, width);
            Assert.InRange((double)part.Attribute("y")! + (double?)part.Attribute("height") ?? 0, 0, height);
        }
    }

    // The scale beside the map has cells without a hint.
    private static List<XElement> Cells(SvgHeatMap map) =>
        [.. XElement.Parse(map.ToElement()).Elements().Where(element => (string?)element.Attribute("class") == "cell" && element.HasElements)];
}
