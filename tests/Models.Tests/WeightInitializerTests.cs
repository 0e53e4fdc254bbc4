using KvShiftScale.Core.Numbers;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Models.Initialization;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Tests;

public sealed class WeightInitializerTests
{
    [Fact]
    public void WeightsDependOnSeedAndNameAlone()
    {
        // Another bucket size lays memory out differently; the values stay.
        using var a = new ModelFixture(ModelFixture.Config, ScalarType.Float32, seed: 3, bucketBytes: 64);
        using var b = new ModelFixture(ModelFixture.Config, ScalarType.Float32, seed: 3, bucketBytes: 1 << 20);
        using var other = new ModelFixture(ModelFixture.Config, ScalarType.Float32, seed: 4);
        var (first, second, third) = (a.Weights(), b.Weights(), other.Weights());
        foreach (var (name, values) in first)
        {
            Assert.Equal(values, second[name]);
        }

        Assert.NotEqual(first["lm_head.weight"], third["lm_head.weight"]);
        Assert.NotEqual(first["model.layers.0.mlp.up_proj.weight"], first["model.layers.0.mlp.gate_proj.weight"]);
    }

    [Fact]
    public void ShiftScalarsStartAsThePapers()
    {
        using var fixture = new ModelFixture(ModelFixture.Config with { KvHeads = 4 }, ScalarType.Float64);
        foreach (var (name, values) in fixture.Weights().Where(entry => entry.Key.EndsWith("_shift", StringComparison.Ordinal)))
        {
            for (var head = 0; head < 4; head++)
            {
                Assert.InRange(values[2 * head + 1], 0, 1);
                Assert.Equal(1.0, values[2 * head] + values[2 * head + 1], 1e-15);
            }
            Assert.True(values.Distinct().Count() > 4, $"{name}: heads share their scalars");
        }
    }

    [Theory]
    [InlineData(KvShiftVariant.Kv)]
    [InlineData(KvShiftVariant.K)]
    [InlineData(KvShiftVariant.V)]
    [InlineData(KvShiftVariant.Qkv)]
    [InlineData(KvShiftVariant.Clip)]
    [InlineData(KvShiftVariant.Gate)]
    [InlineData(KvShiftVariant.Window3)]
    [InlineData(KvShiftVariant.Window4)]
    public void WeightsOfAWindowSumToOneUnderEveryInitialisation(KvShiftVariant variant)
    {
        foreach (var initialization in Enum.GetValues<KvShiftInitialization>())
        {
            if (variant == KvShiftVariant.Gate && initialization == KvShiftInitialization.Identity)
            {
                continue;
            }

            foreach (var weights in StartingWeights(variant, initialization, heads: 200))
            {
                Assert.Equal(1, weights.Sum(), 1e-12);
                if (initialization == KvShiftInitialization.Identity)
                {
                    Assert.Equal([.. new double[weights.Length - 1], 1], weights);
                }

                if (initialization == KvShiftInitialization.Softmax)
                {
                    Assert.All(weights, weight => Assert.InRange(weight, 0, 1));
                }
                // The oldest is what is left of 1 and may be negative over three and four positions.
                if (initialization == KvShiftInitialization.Uniform)
                {
                    Assert.All(weights[1..], weight => Assert.InRange(weight, 0, 1));
                }
            }
        }
    }

    [Theory]
    [InlineData(KvShiftVariant.Kv, KvShiftInitialization.Uniform, 1.0 / 2, 1.0 / 12)]
    [InlineData(KvShiftVariant.Gate, KvShiftInitialization.Uniform, 1.0 / 2, 1.0 / 12)]
    [InlineData(KvShiftVariant.Window3, KvShiftInitialization.Uniform, 0, 1.0 / 6)]
    [InlineData(KvShiftVariant.Window4, KvShiftInitialization.Uniform, -1.0 / 2, 1.0 / 4)]
    // sigmoid of a normal draw of variance 2, whose variance is 0.0684 by numeric integration.
    [InlineData(KvShiftVariant.Kv, KvShiftInitialization.Softmax, 1.0 / 2, 0.0684)]
    [InlineData(KvShiftVariant.Gate, KvShiftInitialization.Softmax, 1.0 / 2, 0.0684)]
    public void TheOldestWeightHasTheMeanAndVarianceOfItsDistribution(KvShiftVariant variant, KvShiftInitialization initialization,
        double mean, double variance)
    {
        const int heads = 20_000;
        var oldest = StartingWeights(variant, initialization, heads).Select(weights => weights[0]).ToArray();
        var (first, second) = (oldest.Average(), oldest.Select(weight => (weight - mean) * (weight - mean)).Average());

        // Five standard errors: sqrt(variance / n) of the mean, at most sqrt(2 / n) * variance of the variance.
        Assert.Equal(mean, first, 5 * Math.Sqrt(variance / heads));
        Assert.Equal(variance, second, 5 * Math.Sqrt(2.0 / heads) * variance + 5e-5);
    }

    [Fact]
    public void AGateCannotStartAsTheIdentity()
        => Assert.Throws<ArgumentException>(() => StartingWeights(KvShiftVariant.Gate, KvShiftInitialization.Identity, heads: 1).ToList());

    [Fact]
    public void FanInScalesEachMatrixByItsInputs()
    {
        using var scaled = new ModelFixture(ModelFixture.Config, ScalarType.Float64);
        using var fanIn = new ModelFixture(ModelFixture.Config with { Init = WeightInitialization.FanIn }, ScalarType.Float64);
        var (before, after) = (scaled.Weights(), fanIn.Weights());
        // The same draws at another scale: 0.5, or 0.5 / sqrt(2 * 2) into the residual stream, became 1 or 1 / sqrt(inputs).
        Assert.Equal(before["model.embed_tokens.weight"][5] / 0.5, after["model.embed_tokens.weight"][5], 1e-12);
        Assert.Equal(before["lm_head.weight"][5] / 0.5 / Math.Sqrt(12), after["lm_head.weight"][5], 1e-12);
        Assert.Equal(before["model.layers.1.mlp.up_proj.weight"][5] / 0.5 / Math.Sqrt(12), after["model.layers.1.mlp.up_proj.weight"][5], 1e-12);
        Assert.Equal(before["model.layers.1.mlp.down_proj.weight"][5] / 0.25 / Math.Sqrt(10), after["model.layers.1.mlp.down_proj.weight"][5], 1e-12);
        Assert.Equal(before["model.layers.1.self_attn.k_shift"], after["model.layers.1.self_attn.k_shift"]);
        Assert.All(after["model.norm.weight"], weight => Assert.Equal(1, weight));
    }

    [Fact]
    public void NormalDrawsHaveTheMomentsOfANormal()
    {
        var random = new NamedRandom(11, "moments");
        const int count = 200_000;
        var (sum, squares, fourth) = (0.0, 0.0, 0.0);
        for (var i = 0; i < count; i++)
        {
            var x = random.Normal(i);
            sum += x;
            squares += x * x;
            fourth += x * x * x * x;
        }
        // Standard errors: 1/sqrt(n) = 0.0022, sqrt(2/n) = 0.0032, sqrt(96/n) = 0.022; bounds at 5 of them.
        Assert.Equal(0, sum / count, 0.011);
        Assert.Equal(1, squares / count, 0.016);
        Assert.Equal(3, fourth / count, 0.11);
    }

    // The weights by head, the current token's last.
    private static IEnumerable<double[]> StartingWeights(KvShiftVariant variant, KvShiftInitialization initialization, int heads)
    {
        var scalars = new double[heads * ShiftPlan.Of(variant).ScalarsPerHead];
        ShiftInitializer.Fill(scalars, heads, variant, initialization, new NamedRandom(3, "model.layers.0.self_attn.k_shift"));
        return scalars.Chunk(scalars.Length / heads).Select(own => variant == KvShiftVariant.Gate
            ? new[] { 1 / (1 + Math.Exp(own[0])), 1 / (1 + Math.Exp(-own[0])) }
            : own);
    }
}
