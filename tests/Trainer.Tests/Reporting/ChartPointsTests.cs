using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Tests.Reporting;

public sealed class ChartPointsTests
{
    [Fact]
    public void FewPointsStayAsTheyAre()
    {
        (double X, double Y)[] points = [(1, 5), (2, double.NaN), (3, 4)];

        Assert.Same(points, ChartPoints.Reduce(points, columns: 10));
    }

    [Fact]
    public void ManyPointsKeepEndsAndExtremesOfEachColumn()
    {
        var points = Enumerable.Range(0, 100_001).Select(x => (X: (double)x, Y: Math.Sin(x * 0.01))).ToArray();
        points[31_415].Y = 50;
        points[77_777].Y = -50;

        var reduced = ChartPoints.Reduce(points, columns: 500);

        Assert.InRange(reduced.Count, 500, 4 * 501);
        Assert.Equal(points[0], reduced[0]);
        Assert.Equal(points[^1], reduced[^1]);
        Assert.Contains((31_415, 50), reduced);
        Assert.Contains((77_777, -50), reduced);
        Assert.Equal(reduced.OrderBy(point => point.X), reduced);
    }

    [Fact]
    public void InterruptionsStay()
    {
        var points = Enumerable.Range(0, 1000).Select(x => (X: (double)x, Y: x == 500 ? double.NaN : 1.0)).ToArray();

        var reduced = ChartPoints.Reduce(points, columns: 10);

        Assert.Single(reduced, point => double.IsNaN(point.Y));
        Assert.InRange(reduced.Count, 10, 44);
    }

    [Fact]
    public void SmoothingIsTheMeanOfNeighbours()
    {
        (double X, double Y)[] points = [(1, 10), (2, 4), (3, 1), (4, 7), (5, 3)];

        var smooth = ChartPoints.Smooth(points, reach: 1);

        // 10; (10+4+1)/3; (4+1+7)/3; (1+7+3)/3; (7+3)/2
        Assert.Equal([(1, 10), (2, 5), (3, 4), (4, 11.0 / 3), (5, 5)], smooth);
    }
}
