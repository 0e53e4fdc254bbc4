using static TorchSharp.torch;

namespace KvShiftScale.Models.Tests;

public sealed class KvShiftTransformerTests
{
    public static TheoryData<KvShiftVariant, int, bool> Shapes() => new()
    {
        { KvShiftVariant.Kv, 2, false },
        { KvShiftVariant.Kv, 4, true },
        { KvShiftVariant.Kv, 1, false },
        { KvShiftVariant.None, 2, false },
    };

    /// <summary>Global, sliding and global layers as in Baichuan-M1: more and smaller heads where a window slides. Rows have 7 tokens.</summary>
    public static TheoryData<int> Windows() => [1, 3, 7];

    [Theory]
    [MemberData(nameof(Shapes))]
    public void LogitsAndLossEqualThePlainComputation(KvShiftVariant variant, int kvHeads, bool tied)
        => CheckLogitsAndLoss(ModelFixture.Config with { KvShift = variant, KvHeads = kvHeads, TieEmbeddings = tied });

    [Theory]
    [MemberData(nameof(Windows))]
    public void SlidingLayersEqualThePlainComputation(int window) => CheckLogitsAndLoss(ModelFixture.Sliding(window));

    private static void CheckLogitsAndLoss(ModelConfig config)
    {
        using var fixture = new ModelFixture(config, ScalarType.Float64);
        var reference = new ReferenceModel(config, fixture.Weights());
        using var scope = NewDisposeScope();
        using var mode = no_grad();

        var logits = ModelFixture.Values(fixture.Model.Logits(ModelFixture.Row(ModelFixture.Ids), ModelFixture.Layout()));
        var loss = fixture.Model.LossSum(ModelFixture.Row(ModelFixture.Ids), ModelFixture.Row(ModelFixture.Targets), ModelFixture.Layout())
            .item<double>();

        var expected = ModelFixture.Ids.SelectMany((row, r) => reference.Logits(row, ModelFixture.Positions[r]).SelectMany(t => t)).ToArray();
        // Both sides are float64; sums of at most 16 terms of size 1 differ by a few units in the last place, times two layers.
        AssertClose("logits", expected, logits, 1e-11);
        var expectedLoss = ModelFixture.Ids
            .Select((row, r) => reference.LossSum(row, ModelFixture.Targets[r], ModelFixture.Positions[r])).Sum();
        Assert.Equal(expectedLoss, loss, 1e-10);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void EveryGradientEqualsFiniteDifferencesOfThePlainComputation(KvShiftVariant variant, int kvHeads, bool tied)
        => CheckGradients(ModelFixture.Config with { KvShift = variant, KvHeads = kvHeads, TieEmbeddings = tied });

    [Fact]
    public void EveryGradientOfSlidingLayersEqualsFiniteDifferencesOfThePlainComputation() => CheckGradients(ModelFixture.Sliding(window: 3));

    private static void CheckGradients(ModelConfig config)
    {
        using var fixture = new ModelFixture(config, ScalarType.Float64);
        var weights = fixture.Weights();
        var reference = new ReferenceModel(config, weights);
        var (_, gradients) = fixture.LossAndGradients();

        const double h = 1e-5;
        foreach (var (name, values) in weights)
        {
            // Every scalar and norm, and a spread of the elements of large matrices.
            var stride = Math.Max(1, values.Length / 40);
            for (var i = 0; i < values.Length; i += stride)
            {
                var kept = values[i];
                values[i] = kept + h;
                var above = Loss();
                values[i] = kept - h;
                var below = Loss();
                values[i] = kept;
                // Central difference: error h^2 * f''' plus rounding 1e-15 * 50 / h, about 1e-8 of losses of size 50.
                Assert.True(Math.Abs((above - below) / (2 * h) - gradients[name][i]) < 2e-6 * (1 + Math.Abs(gradients[name][i])),
                    $"{name}[{i}]: backward {gradients[name][i]}, finite difference {(above - below) / (2 * h)}");
            }
        }

        double Loss() => ModelFixture.Ids
            .Select((row, r) => reference.LossSum(row, ModelFixture.Targets[r], ModelFixture.Positions[r])).Sum();
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Float32AgreesWithFloat64(KvShiftVariant variant, int kvHeads, bool tied)
    {
        var config = ModelFixture.Config with { KvShift = variant, KvHeads = kvHeads, TieEmbeddings = tied };
        using var exact = new ModelFixture(config, ScalarType.Float64);
        using var single = new ModelFixture(config, ScalarType.Float32);
        // The same numbers on both sides: the float64 weights, rounded.
        using (no_grad())
        {
            foreach (var (a, b) in exact.Model.Parameters.Slots.Zip(single.Model.Parameters.Slots))
                a.Parameter.copy_(b.Parameter);
        }

        var (expectedLoss, expected) = exact.LossAndGradients();
        var (loss, gradients) = single.LossAndGradients();

        Assert.Equal(expectedLoss, loss, 1e-5 * expectedLoss);
        // Float32 rounds to 6e-8; a gradient passes some tens of roundings, relative to the largest element of its tensor.
        foreach (var (name, values) in expected) AssertClose(name, values, gradients[name], 1e-5 * values.Max(Math.Abs));
    }

    [Fact]
    public void ComposedOperationsInBfloat16StayNearTheFusedKernels()
    {
        // The path of devices without kernels, tried on the CPU. bfloat16 has 8 bits: 0.4% a rounding, and libtorch 1.13 accumulates
        // products in it, 1% at these widths; through two layers and a loss over 10 targets 5% bounds the sum well.
        var config = ModelFixture.Config with { InitStd = 0.2 };
        using var exact = new ModelFixture(config, ScalarType.Float64);
        using var half = new ModelFixture(config, ScalarType.BFloat16);

        var (expectedLoss, expected) = exact.LossAndGradients();
        var (loss, gradients) = half.LossAndGradients();

        Assert.Equal(expectedLoss, loss, 0.05 * expectedLoss);
        foreach (var name in new[] { "model.layers.0.self_attn.k_shift", "model.layers.1.self_attn.v_proj.weight", "lm_head.weight" })
        {
            var cosine = Cosine(expected[name], gradients[name]);
            Assert.True(cosine > 0.99, $"{name}: cosine {cosine}");
        }
    }

    [Fact]
    public void AFreshModelGuessesUniformly()
    {
        // Initial logits are near 0 (standard deviation 0.02 * sqrt(hidden) after the norm), so the loss is near ln(vocabulary).
        using var fixture = new ModelFixture(ModelFixture.Config with { InitStd = 0.02 }, ScalarType.Float32);
        var (loss, _) = fixture.LossAndGradients();
        var targets = ModelFixture.Targets.Sum(row => row.Count(target => target != -100));
        Assert.Equal(Math.Log(13), loss / targets, 0.02);
    }

    [Fact]
    public void MicroBatchesAddUpToTheWholeBatch()
    {
        using var whole = new ModelFixture(ModelFixture.Config, ScalarType.Float64);
        using var parts = new ModelFixture(ModelFixture.Config, ScalarType.Float64);
        var (loss, expected) = whole.LossAndGradients();

        using var scope = NewDisposeScope();
        parts.Model.Parameters.BeginStep();
        var sum = 0.0;
        for (var row = 0; row < 2; row++)
        {
            var layout = new TokenLayout(1, 7, tensor(ModelFixture.Positions[row]));
            var part = parts.Model.LossSum(tensor(ModelFixture.Ids[row]), tensor(ModelFixture.Targets[row]), layout);
            part.backward();
            sum += part.item<double>();
        }

        Assert.Equal(loss, sum, 1e-11);
        foreach (var slot in parts.Model.Parameters.Slots) AssertClose(slot.Name, expected[slot.Name], ModelFixture.Values(slot.Gradient), 1e-11);
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 0)]
    [InlineData(3, 0)]
    [InlineData(7, 0)]
    [InlineData(1, 1)]
    [InlineData(5, 1)]
    [InlineData(1, 2)]
    [InlineData(2, 2)]
    [InlineData(3, 2)]
    [InlineData(7, 2)]
    [InlineData(1, 3)]
    [InlineData(2, 3)]
    [InlineData(4, 3)]
    [InlineData(7, 3)]
    [InlineData(3, 100)]
    public void CachedDecodeInChunksEqualsTheWholeSequence(int chunk, int window)
    {
        using var fixture = new ModelFixture(window == 0 ? ModelFixture.Config : ModelFixture.Sliding(window), ScalarType.Float64);
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var ids = ModelFixture.Ids[0];
        var expected = ModelFixture.Values(fixture.Model.Logits(tensor(ids), new TokenLayout(1, ids.Length, tensor(ModelFixture.Positions[0]))));

        var caches = fixture.Model.NewCaches();
        var decoded = new List<double>();
        for (var start = 0; start < ids.Length; start += chunk)
            decoded.AddRange(ModelFixture.Values(fixture.Model.Decode(tensor(ids[start..Math.Min(ids.Length, start + chunk)]), caches)));

        AssertClose("logits", expected, [.. decoded], 1e-11);
    }

    [Fact]
    public void ComposedAttentionHonoursTheWindow()
    {
        // The path of devices without kernels: bfloat16 on the CPU. With a window of 1 a sliding layer attends to the token alone; that the
        // loss is nearer to this model's than to the one of a window of 7 shows the mask. Bounds as in the test above.
        using var exact = new ModelFixture(ModelFixture.Sliding(1) with { InitStd = 0.2 }, ScalarType.Float64);
        using var other = new ModelFixture(ModelFixture.Sliding(7) with { InitStd = 0.2 }, ScalarType.Float64);
        using var half = new ModelFixture(ModelFixture.Sliding(1) with { InitStd = 0.2 }, ScalarType.BFloat16);
        var (_, expected) = exact.LossAndGradients();
        var (_, unlike) = other.LossAndGradients();
        var (_, gradients) = half.LossAndGradients();

        const string Name = "model.layers.1.self_attn.v_proj.weight";
        Assert.True(Cosine(expected[Name], gradients[Name]) > 0.99, $"cosine {Cosine(expected[Name], gradients[Name])}");
        Assert.True(Cosine(unlike[Name], gradients[Name]) < 0.95, $"cosine {Cosine(unlike[Name], gradients[Name])} with another window");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public void StepsLeaveNoTensorBehind(int window)
    {
        using var fixture = new ModelFixture(window == 0 ? ModelFixture.Config : ModelFixture.Sliding(window), ScalarType.Float32);
        fixture.LossAndGradients();
        var before = Tensor.TotalCount;
        for (var step = 0; step < 10; step++) fixture.LossAndGradients();
        Assert.Equal(before, Tensor.TotalCount);
    }

    private static double Cosine(double[] first, double[] second)
    {
        var (dot, a, b) = (0.0, 0.0, 0.0);
        foreach (var (x, y) in first.Zip(second))
        {
            dot += x * y;
            a += x * x;
            b += y * y;
        }
        return dot / Math.Sqrt(a * b);
    }

    private static void AssertClose(string name, double[] expected, double[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
        {
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance,
                $"{name}[{i}]: expected {expected[i]:R}, got {actual[i]:R}, off by {Math.Abs(expected[i] - actual[i]):E2} > {tolerance:E2}");
        }
    }
}
