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
        foreach (var (name, values) in first) Assert.Equal(values, second[name]);
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
        var random = new CounterRandom(11, "moments");
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
}
