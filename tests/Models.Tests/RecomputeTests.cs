using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Testing;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Tests;

/// <summary>Training that makes activations again in backward against training that keeps them.</summary>
public sealed class RecomputeTests
{
    public static TheoryData<KvShiftVariant, int, bool, ScalarType> Cases()
    {
        var data = new TheoryData<KvShiftVariant, int, bool, ScalarType>();
        foreach (var dtype in new[] { ScalarType.Float32, ScalarType.Float64, ScalarType.BFloat16 })
        {
            foreach (var variant in Enum.GetValues<KvShiftVariant>())
            {
                data.Add(variant, 0, false, dtype);
            }

            data.Add(KvShiftVariant.Kv, 3, true, dtype);
            data.Add(KvShiftVariant.Qkv, 2, true, dtype);
            data.Add(KvShiftVariant.Window4, 3, false, dtype);
        }
        return data;
    }

    /// <summary>The kernels in float32 and float64, composed operations in bfloat16.</summary>
    [Theory]
    [MemberData(nameof(Cases))]
    public void GradientsHaveTheBitsOfTrainingThatKeepsEverything(KvShiftVariant variant, int window, bool tied, ScalarType dtype)
    {
        var config = (window == 0 ? ModelFixture.Config with { Layers = 3 } : ModelFixture.Sliding(window)) with
        {
            KvShift = variant,
            TieEmbeddings = tied,
            InitStd = 0.2,
        };
        var (loss, kept) = Gradients(config, dtype, Recompute.None);
        foreach (var recompute in new[] { Recompute.Selective, Recompute.Full })
        {
            var (lossAgain, remade) = Gradients(config, dtype, recompute);
            Assert.Equal(loss, lossAgain);
            foreach (var (name, values) in kept)
            {
                Assert.True(values.AsSpan().SequenceEqual(remade[name]), $"{recompute}: {name} differs");
            }
        }
    }

    /// <summary>Twice, because what one micro-batch made again has to be gone before the next.</summary>
    private static (double Loss, Dictionary<string, double[]> Gradients) Gradients(ModelConfig config, ScalarType dtype, Recompute recompute)
    {
        using var fixture = new ModelFixture(config, dtype, recompute: recompute);
        fixture.SpreadScalars();
        fixture.LossAndGradients(TestRows.Whole);
        return fixture.LossAndGradients(TestRows.Packed);
    }

    [Theory]
    [InlineData(Recompute.Selective, ScalarType.Float32)]
    [InlineData(Recompute.Full, ScalarType.Float32)]
    [InlineData(Recompute.Selective, ScalarType.BFloat16)]
    [InlineData(Recompute.Full, ScalarType.BFloat16)]
    public void StepsLeaveNoTensorBehind(Recompute recompute, ScalarType dtype)
    {
        using var fixture = new ModelFixture(ModelFixture.Sliding(3) with { KvShift = KvShiftVariant.Qkv }, dtype, recompute: recompute);
        fixture.LossAndGradients();
        var before = LiveTensors.Settled();
        for (var step = 0; step < 5; step++)
        {
            fixture.LossAndGradients();
        }

        Assert.Equal(before, Tensor.TotalCount);
    }

    [Theory]
    [InlineData(Recompute.Selective)]
    [InlineData(Recompute.Full)]
    public void EvaluationAndDecodingAreTheSame(Recompute recompute)
    {
        using var kept = new ModelFixture(ModelFixture.Config, ScalarType.Float64);
        using var remade = new ModelFixture(ModelFixture.Config, ScalarType.Float64, recompute: recompute);
        Assert.Equal(kept.Logits(TestRows.Packed), remade.Logits(TestRows.Packed));

        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var ids = tensor(TestRows.Packed.Ids[0]);
        Assert.Equal(ModelFixture.Values(kept.Model.Decode(ids, kept.Model.NewCaches())),
            ModelFixture.Values(remade.Model.Decode(ids, remade.Model.NewCaches())));
    }

    /// <summary>
    /// Bytes of malloc's heap between forward and backward. A layer keeps, in rows of channels: the two sums that norms read, two
    /// normalised rows, raw and shifted keys and values, the rotated query, the attention's result, gate, up and their product.
    /// </summary>
    [Fact]
    public void BetweenForwardAndBackwardOnlyWhatIsSaidIsHeld()
    {
        const int tokens = 512;
        var config = ModelFixture.Config with { HiddenSize = 64, Layers = 4, Heads = 4, KvHeads = 2, HeadSize = 16, FfnSize = 176, InitStd = 0.02 };
        var layerUnit = (double)config.Layers * tokens * sizeof(float);
        var (hidden, query, keyValue, ffn) = (config.HiddenSize, 64, 32, config.FfnSize);

        var none = HeldBytes(config, tokens, Recompute.None);
        var selective = HeldBytes(config, tokens, Recompute.Selective);
        var full = HeldBytes(config, tokens, Recompute.Full);

        // 2% for statistics of rows and for what the allocator rounds up.
        Near(layerUnit * (2 * hidden + 2 * keyValue + ffn), none - selective, "none - selective");
        // The first block has one input and not two, and statistics of attention and norms are 6 numbers a token and layer.
        var inputs = (double)tokens * sizeof(float) * hidden;
        Near(layerUnit * (2 * hidden + 2 * query + 4 * keyValue + 3 * ffn + 6) + inputs, none - full, "none - full");

        void Near(double expected, double found, string what)
            => Assert.True(Math.Abs(found - expected) < 0.02 * expected, $"{what}: {found:N0} bytes, expected {expected:N0}");
    }

    private static double HeldBytes(ModelConfig config, int tokens, Recompute recompute)
    {
        using var fixture = new ModelFixture(config, ScalarType.Float32, context: tokens, recompute: recompute);
        var places = Enumerable.Range(0, tokens);
        var rows = new TestRows([[.. places.Select(t => t * 7 % 13)]], [[.. places.Select(t => t * 5 % 13)]], [[.. places]]);
        var held = new List<long>();
        // The first step also makes what lasts: workspaces of kernels.
        for (var step = 0; step < 6; step++)
        {
            // What earlier tests have left would be freed between the two looks.
            LiveTensors.Collect();
            using var scope = NewDisposeScope();
            fixture.Model.Parameters.BeginStep();
            var (ids, targets, layout) = (rows.IdTensor(), rows.TargetTensor(), rows.Layout());
            var before = NativeHeap.Bytes;
            Tensor loss;
            using (NewDisposeScope())
            {
                loss = fixture.Model.LossSum(ids, targets, layout).MoveToOuterDisposeScope();
            }

            if (step > 0)
            {
                held.Add(NativeHeap.Bytes - before);
            }

            BackwardPass.Run(loss);
        }
        // The median: other threads of this process use the heap too.
        return held.Order().ElementAt(held.Count / 2);
    }
}
