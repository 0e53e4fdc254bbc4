using KvShiftScale.Trainer.Generation;

namespace KvShiftScale.Trainer.Tests.Generation;

public sealed class TokenSamplerTests
{
    private const int Draws = 20_000;

    [Theory]
    [InlineData(true, 0.8)]
    [InlineData(false, 0)]
    public void GreedyAndTemperatureZeroTakeTheFirstOfTheLargest(bool greedy, double temperature)
    {
        var sampler = new TokenSampler(new SamplingOptions(1, greedy, temperature, 0.5, Seed: 1));

        for (var draw = 0; draw < 50; draw++)
        {
            Assert.Equal(2, sampler.Choose([0.5f, -3, 9.25f, 9.25f, 1], draw));
        }
    }

    [Theory]
    [InlineData(1.0, 1.0)]
    [InlineData(0.7, 1.0)]
    [InlineData(1.0, 0.9)]
    [InlineData(1.3, 0.6)]
    [InlineData(1.0, 0.01)]
    public void DrawsFollowThePlainComputation(double temperature, double topP)
    {
        var logits = Logits(40, 2.0f);
        var expected = PlainDistribution(logits, temperature, topP);
        var sampler = new TokenSampler(new SamplingOptions(1, false, temperature, topP, Seed: 5));
        var counts = new int[logits.Length];

        for (var draw = 0; draw < Draws; draw++)
        {
            counts[sampler.Choose(logits, draw)]++;
        }

        for (var id = 0; id < logits.Length; id++)
        {
            // Outside the nucleus never; inside within five standard deviations of a binomial count, which fails once in a million.
            if (expected[id] == 0)
            {
                Assert.Equal(0, counts[id]);
            }

            var deviation = Math.Sqrt(Draws * expected[id] * (1 - expected[id]));
            Assert.True(Math.Abs(counts[id] - Draws * expected[id]) <= 5 * deviation + 1e-9, $"id {id}: {counts[id]} draws, expected {Draws * expected[id]:F1} +- {deviation:F1}");
        }
    }

    [Fact]
    public void NucleusIsExactlyThePlainOne()
    {
        // Which ids can come at all, for many shares and shapes: none more, none fewer.
        for (var round = 0; round < 60; round++)
        {
            var logits = Logits(12, 0.2f + 0.1f * round, seed: round);
            var topP = 0.05 + 0.9 * round / 60;
            var expected = PlainDistribution(logits, 1, topP);
            var sampler = new TokenSampler(new SamplingOptions(1, false, 1, topP, round));
            var seen = new HashSet<int>();
            for (var draw = 0; draw < 4000; draw++)
            {
                seen.Add(sampler.Choose(logits, draw));
            }

            Assert.All(seen, id => Assert.True(expected[id] > 0, $"round {round}: {id} is outside"));
            // One of a hundredth of the mass stays away from 4000 draws with a probability of 4e-18.
            Assert.All(Enumerable.Range(0, logits.Length).Where(id => expected[id] > 0.01), id => Assert.Contains(id, seen));
        }
    }

    [Fact]
    public void SeedAndIndexDecideAlone()
    {
        var logits = Logits(1000, 1);
        int[] Sequence(long seed)
        {
            var sampler = new TokenSampler(new SamplingOptions(1, false, 1, 0.95, seed));
            return [.. Enumerable.Range(0, 30).Select(draw => sampler.Choose(logits, draw))];
        }

        Assert.Equal(Sequence(3), Sequence(3));
        Assert.NotEqual(Sequence(3), Sequence(4));
        Assert.True(Sequence(3).Distinct().Count() > 5);
    }

    [Fact]
    public void InfiniteLogitsAreNeverOrAlwaysTaken()
    {
        var sampler = new TokenSampler(new SamplingOptions(1, false, 1, 1, 1));

        for (var draw = 0; draw < 100; draw++)
        {
            Assert.NotEqual(1, sampler.Choose([0, float.NegativeInfinity, 0], draw));
        }

        Assert.Throws<InvalidDataException>(() => sampler.Choose([0, float.NaN, 1], 0));
    }

    // Softmax, sorted; tokens from the top until they hold top_p; the rest gets nothing and the kept are scaled to 1.
    private static double[] PlainDistribution(float[] logits, double temperature, double topP)
    {
        var weights = logits.Select(logit => Math.Exp(logit / temperature)).ToArray();
        var total = weights.Sum();
        var kept = new double[logits.Length];
        var mass = 0.0;
        foreach (var id in Enumerable.Range(0, logits.Length).OrderByDescending(id => weights[id]))
        {
            if (mass >= topP)
            {
                break;
            }

            kept[id] = weights[id] / total;
            mass += kept[id];
        }
        return [.. kept.Select(value => value / mass)];
    }

    private static float[] Logits(int count, float spread, int seed = 1)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => spread * (float)(random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5))];
    }
}
