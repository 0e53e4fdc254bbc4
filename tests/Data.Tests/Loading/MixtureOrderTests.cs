using KvShiftScale.Data.Loading;
namespace KvShiftScale.Data.Tests.Loading;

public sealed class MixtureOrderTests
{
    [Fact]
    public void SevenToThreeIsSpreadEvenly()
    {
        var order = new MixtureOrder([0.7, 0.3]);

        var sources = Enumerable.Range(0, 10).Select(_ => order.Next().Source);

        // After p samples source 1 has given 0.3 p, rounded: 0 1 1 1 1 2 2 2 3 3. At p = 5, 1.5 is a tie and the lower index goes first.
        Assert.Equal([0, 1, 0, 0, 0, 1, 0, 0, 1, 0], sources);
    }

    [Fact]
    public void EveryPrefixIsExactWithinOneSample()
    {
        var random = new Random(5);
        for (var trial = 0; trial < 60; trial++)
        {
            var weights = new double[1 + trial % 8];
            for (var i = 0; i < weights.Length; i++)
            {
                // Three decimals, some of them far apart.
                weights[i] = random.Next(1, trial % 2 == 0 ? 1000 : 20) / 1000.0;
            }

            if (trial == 0)
            {
                // Taking the largest lag each time is not enough for these.
                weights = [489, 433, 7, 1, 9];
            }

            // Tijdeman's bound for n sources, the best there is.
            var bound = weights.Length == 1 ? 0 : 1 - 1.0 / (2 * weights.Length - 2);
            var sum = weights.Sum();
            var order = new MixtureOrder(weights);
            var given = new long[weights.Length];
            for (var position = 1; position <= 3000; position++)
            {
                var (source, sample) = order.Next();
                Assert.Equal(given[source]++, sample);
                for (var i = 0; i < weights.Length; i++)
                {
                    Assert.True(
                        Math.Abs(given[i] - weights[i] / sum * position) <= bound + 1e-9,
                        $"source {i} of weights {string.Join(' ', weights)} gave {given[i]} of the first {position}");
                }
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(9)]
    [InlineData(10)]
    [InlineData(137)]
    public void SeekingEqualsContinuing(long position)
    {
        double[] weights = [0.5, 0.3, 0.2];
        var continued = new MixtureOrder(weights);
        for (var i = 0L; i < position; i++)
        {
            continued.Next();
        }

        var sought = new MixtureOrder(weights);
        sought.Seek(500);
        sought.Seek(position);

        for (var i = 0; i < 40; i++)
        {
            Assert.Equal(continued.Next(), sought.Next());
        }
    }

    [Fact]
    public void WeightsWithManyDigitsKeepTheirShares()
    {
        double[] weights = [Math.PI, Math.E, 1e-9];
        var order = new MixtureOrder(weights);
        var given = new long[3];
        for (var i = 0; i < 100_000; i++)
        {
            given[order.Next().Source]++;
        }

        // 100,000 * pi / (pi + e) = 53,612.4; rounding to fractions of 2^20 moves it by less than 0.1, the prefix by less than 1.
        Assert.InRange(given[0], 53_611, 53_614);
        Assert.InRange(given[2], 0, 1);
    }

    [Fact]
    public void SeekingFarIsImmediate()
    {
        var order = new MixtureOrder([0.7, 0.3]);

        order.Seek(10_000_000_000_000_001);

        // 10^15 periods of 10 samples, and one sample more.
        Assert.Equal((1, 3_000_000_000_000_000), order.Next());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void WeightMustBePositive(double weight)
    {
        var error = Assert.Throws<ArgumentException>(() => new MixtureOrder([1, weight]));

        Assert.StartsWith("data.train[1].weight is ", error.Message, StringComparison.Ordinal);
    }
}
