using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Tests.Reporting;

public sealed class ChartAxisTests
{
    [Theory]
    [InlineData(0, 300, 6, "0 50 100 150 200 250 300")]
    [InlineData(0, 20000, 8, "0 5k 10k 15k 20k")]
    [InlineData(0, 2_500_000, 5, "0.0M 0.5M 1.0M 1.5M 2.0M 2.5M")]
    [InlineData(4.1, 8.3, 5, "4 5 6 7 8 9")]
    [InlineData(0, 3e-4, 5, "0 1e-4 2e-4 3e-4")]
    [InlineData(0, 6e-4, 4, "0 2e-4 4e-4 6e-4")]
    [InlineData(0.12, 0.31, 5, "0.10 0.15 0.20 0.25 0.30 0.35")]
    [InlineData(-1, 1, 4, "-1.0 -0.5 0 0.5 1.0")]
    [InlineData(0, 5600, 5, "0 2,000 4,000 6,000")]
    public void TicksAreRoundNumbersAroundTheData(double minimum, double maximum, int count, string labels)
    {
        var ticks = ChartAxis.Around(minimum, maximum, count).Ticks();

        Assert.Equal(labels.Replace("0.0M", "0", StringComparison.Ordinal), string.Join(' ', ticks.Select(tick => tick.Label)));
    }

    [Fact]
    public void ExactAxisEndsAtItsData()
    {
        var axis = ChartAxis.Exactly(5, 105, 5);

        Assert.Equal(0, axis.Fraction(5));
        Assert.Equal(0.5, axis.Fraction(55));
        Assert.Equal(1, axis.Fraction(105));
        Assert.Equal([20.0, 40, 60, 80, 100], axis.Ticks().Select(tick => tick.Value));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3.5)]
    [InlineData(-2)]
    [InlineData(1e-12)]
    public void SingleValueStillHasARange(double value)
    {
        var axis = ChartAxis.Around(value, value, 5);

        Assert.True(axis.Minimum < value && value < axis.Maximum);
        Assert.InRange(axis.Ticks().Count, 2, 12);
    }

    [Theory]
    [InlineData(2.0, 9.0, "2 3 4 5 6 7 8 9")]
    [InlineData(1.0, 500.0, "1 2 5 10 20 50 100 200 500")]
    [InlineData(0.001, 100.0, "0.001 0.01 0.1 1 10 100")]
    public void ALogarithmicAxisHasRoundTicksThatAreEvenlyPlaced(double least, double most, string ticks)
    {
        var axis = ChartAxis.Logarithmic(least, most);

        Assert.Equal(ticks.Split(' '), axis.Ticks().Select(tick => tick.Label));
        Assert.Equal(axis.Fraction(20) - axis.Fraction(10), axis.Fraction(4) - axis.Fraction(2), 1e-12);
        Assert.InRange(axis.Fraction(least), 0, 0.1);
        Assert.InRange(axis.Fraction(most), 0.9, 1);
    }

    [Fact]
    public void ALogarithmicAxisOverLittleHasTheTicksOfALinearOne()
        => Assert.Equal(["2.2", "2.4", "2.6"], ChartAxis.Logarithmic(2.2, 2.6).Ticks().Select(tick => tick.Label));
}
