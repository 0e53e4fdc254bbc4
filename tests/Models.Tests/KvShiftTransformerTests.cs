using KvShiftScale.Models.Configuration;
using KvShiftScale.Models.Layout;
using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Testing;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Tests;

public sealed class KvShiftTransformerTests
{
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
            var (dot, a, b) = (0.0, 0.0, 0.0);
            foreach (var (x, y) in expected[name].Zip(gradients[name]))
            {
                dot += x * y;
                a += x * x;
                b += y * y;
            }
            Assert.True(dot / Math.Sqrt(a * b) > 0.99, $"{name}: cosine {dot / Math.Sqrt(a * b)}");
        }
    }

    [Fact]
    public void AFreshModelGuessesUniformly()
    {
        // Initial logits are near 0 (standard deviation 0.02 * sqrt(hidden) after the norm), so the loss is near ln(vocabulary).
        using var fixture = new ModelFixture(ModelFixture.Config with { InitStd = 0.02 }, ScalarType.Float32);
        var (loss, _) = fixture.LossAndGradients();
        var targets = ModelFixture.Rows.Targets.Sum(row => row.Count(target => target != -100));
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
            var layout = new TokenLayout(1, 7, tensor(ModelFixture.Rows.Positions[row]));
            var part = parts.Model.LossSum(tensor(ModelFixture.Rows.Ids[row]), tensor(ModelFixture.Rows.Targets[row]), layout);
            BackwardPass.Run(part);
            sum += part.item<double>();
        }

        Assert.Equal(loss, sum, 1e-11);
        foreach (var slot in parts.Model.Parameters.Slots)
        {
            RelativeError.Below(1e-12, slot.Name, expected[slot.Name], ModelFixture.Values(slot.Gradient));
        }
    }

    [Theory]
    [InlineData(KvShiftVariant.Kv, 0, ScalarType.Float32)]
    [InlineData(KvShiftVariant.Kv, 3, ScalarType.Float32)]
    [InlineData(KvShiftVariant.Clip, 0, ScalarType.Float32)]
    [InlineData(KvShiftVariant.Gate, 3, ScalarType.BFloat16)]
    public void StepsLeaveNoTensorBehind(KvShiftVariant variant, int window, ScalarType dtype)
    {
        using var fixture = new ModelFixture((window == 0 ? ModelFixture.Config : ModelFixture.Sliding(window)) with { KvShift = variant }, dtype);
        fixture.LossAndGradients();
        var before = LiveTensors.Settled();
        for (var step = 0; step < 10; step++)
        {
            fixture.LossAndGradients();
        }

        Assert.Equal(before, Tensor.TotalCount);
    }
}
