using KvShiftScale.Models.Configuration;
using KvShiftScale.Models.Tests.Reference;
using KvShiftScale.Parallel.Kernels;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Tests;

/// <summary>Every variant of the shift against the independent float64 model, in a model of three layers with grouped queries.</summary>
public sealed class ShiftVariantTests
{
    // Weights of 0.2 give products of unit inputs a size of 0.2 * sqrt(12) = 0.7. Larger ones saturate the softmax, and gradients that
    // cancel would measure the condition of the problem instead of the computation: at 0.5 the worst tensor is off by 3e-5 in float32
    // and 6e-13 in float64, in both paths alike.
    private static readonly ModelConfig Config = ModelFixture.Config with { Layers = 3, InitStd = 0.2 };

    public static TheoryData<KvShiftVariant, bool> VariantsAndPacking()
    {
        var data = new TheoryData<KvShiftVariant, bool>();
        foreach (var variant in Enum.GetValues<KvShiftVariant>())
        {
            data.Add(variant, false);
            data.Add(variant, true);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(VariantsAndPacking))]
    public void LogitsLossAndEveryGradientEqualThePlainComputation(KvShiftVariant variant, bool packed)
        => Compare(Config with { KvShift = variant }, packed ? TestRows.Packed : TestRows.Whole);

    [Theory]
    [InlineData(4, true)]
    [InlineData(1, false)]
    [InlineData(2, true)]
    public void OtherHeadCountsAndATiedHeadToo(int kvHeads, bool tied)
        => Compare(Config with { KvShift = KvShiftVariant.Qkv, KvHeads = kvHeads, TieEmbeddings = tied }, TestRows.Packed);

    /// <summary>Layers as in Baichuan-M1: a window slides in every second one, which has more and smaller heads. Rows have 9 tokens.</summary>
    /// <remarks>With a window of 1 queries have no gradient but rounding, which has no relative error: finite differences try it.</remarks>
    [Theory]
    [InlineData(KvShiftVariant.Kv, 2)]
    [InlineData(KvShiftVariant.Kv, 3)]
    [InlineData(KvShiftVariant.Kv, 9)]
    [InlineData(KvShiftVariant.Qkv, 3)]
    [InlineData(KvShiftVariant.Window4, 2)]
    public void SlidingLayersToo(KvShiftVariant variant, int window)
    {
        foreach (var rows in new[] { TestRows.Whole, TestRows.Packed })
        {
            Compare(ModelFixture.Sliding(window) with { KvShift = variant, InitStd = Config.InitStd }, rows);
        }
    }

    [Theory]
    [MemberData(nameof(VariantsAndPacking))]
    public void GradientsEqualFiniteDifferences(KvShiftVariant variant, bool packed)
        => Differentiate(Config with { KvShift = variant }, packed ? TestRows.Packed : TestRows.Whole);

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void GradientsOfSlidingLayersEqualFiniteDifferences(int window) => Differentiate(ModelFixture.Sliding(window), TestRows.Packed);

    private static void Differentiate(ModelConfig config, TestRows rows)
    {
        using var fixture = new ModelFixture(config, ScalarType.Float64);
        fixture.SpreadScalars();
        var weights = fixture.Weights();
        var reference = new ReferenceModel(config, weights);
        var (_, gradients) = fixture.LossAndGradients(rows);

        foreach (var (name, values) in weights)
        {
            // All scalars; and the embeddings of ids that stand at one position each, which covers position 0 and the first and last
            // token of every document of the first row. (Id 3 is met again in the unpacked rows, which does no harm.)
            var count = name.EndsWith("_shift", StringComparison.Ordinal) ? values.Length
                : name == "model.embed_tokens.weight" ? 9 * config.HiddenSize : 0;
            for (var i = 0; i < count; i++)
            {
                CheckElement(name, values, i);
            }
        }

        void CheckElement(string name, double[] values, int i)
        {
            const double h = 1e-5;
            var kept = values[i];
            values[i] = kept + h;
            var above = reference.LossSum(rows);
            values[i] = kept - h;
            var below = reference.LossSum(rows);
            values[i] = kept;
            // Central difference: error h^2 * f''' plus rounding 1e-15 * 50 / h, about 1e-8 of losses of size 50.
            var difference = (above - below) / (2 * h);
            Assert.True(Math.Abs(difference - gradients[name][i]) < 2e-6 * (1 + Math.Abs(difference)),
                $"{name}[{i}]: backward {gradients[name][i]}, finite difference {difference}");
        }
    }

    [Fact]
    public void AClippedScalarHasNoGradientAndOneOnTheBorderHas()
    {
        using var fixture = new ModelFixture(Config with { KvShift = KvShiftVariant.Clip }, ScalarType.Float64);
        var slot = fixture.Model.Parameters.Slots.Single(slot => slot.Name == "model.layers.1.self_attn.k_shift");
        using var scope = NewDisposeScope();
        using (no_grad())
        {
            slot.Parameter.copy_(tensor(new[] { -0.5, 1.5, 0.0, 1.0 }).view(2, 2));
        }

        var (_, clipped) = fixture.LossAndGradients(TestRows.Packed);
        using (no_grad())
        {
            slot.Parameter.copy_(tensor(new[] { 0.0, 1.0, 0.0, 1.0 }).view(2, 2));
        }
        var (_, border) = fixture.LossAndGradients(TestRows.Packed);

        Assert.Equal([0, 0], clipped[slot.Name][..2]);
        Assert.All(clipped[slot.Name][2..], value => Assert.NotEqual(0, value));
        // Clipped values act as the border's: the other head sees the same.
        Assert.Equal(border[slot.Name][2..], clipped[slot.Name][2..]);
        Assert.All(border[slot.Name], value => Assert.NotEqual(0, value));
    }

    [Fact]
    public void AWindowOfTwoIsTheKvShift()
    {
        using var two = new ModelFixture(Config with { KvShift = KvShiftVariant.Window2 }, ScalarType.Float32);
        using var kv = new ModelFixture(Config, ScalarType.Float32);

        Assert.Equal(kv.Logits(TestRows.Packed), two.Logits(TestRows.Packed));
    }

    [Fact]
    public void DocumentsOfARowDoNotSeeEachOther()
    {
        // The packed row's documents one by one give the same logits.
        using var fixture = new ModelFixture(Config with { KvShift = KvShiftVariant.Window4 }, ScalarType.Float64);
        fixture.SpreadScalars();
        var vocabulary = Config.VocabSize;
        var together = fixture.Logits(TestRows.Packed);

        foreach (var (row, begin, end) in new[] { (0, 0, 5), (0, 5, 6), (0, 6, 9), (1, 0, 2), (1, 2, 9) })
        {
            var alone = fixture.Logits(TestRows.Document(TestRows.Packed.Ids[row][begin..end]));
            RelativeError.Below(1e-13, $"document {begin} to {end}", alone,
                together[((row * 9 + begin) * vocabulary)..((row * 9 + end) * vocabulary)]);
        }
    }

    // Both precisions and both paths against one plain computation, which starts from the float32 weights.
    private static void Compare(ModelConfig config, TestRows rows)
    {
        using var start = new ModelFixture(config, ScalarType.Float32);
        start.SpreadScalars();
        var (loss, logits, gradients) = new ReferenceModel(config, start.Weights()).Differentiate(rows);

        // float32 rounds to 6e-8 and float64 to 1.1e-16. Half of the tensors are within 6 roundings, the worst within 40 on every
        // instruction set. The worst are the smallest: the gradient of a head's few scalars is a sum of hundreds of terms, and nothing
        // else has a part in the norm where they happen to cancel. (Of four other seeds two have such a scalar alone in its tensor,
        // the others being clipped: 2e-4 of itself, in both paths.)
        foreach (var kernels in Enum.GetValues<KernelChoice>())
        {
            Near(ScalarType.Float32, kernels, 1e-5);
            Near(ScalarType.Float64, kernels, 1e-12);
        }

        void Near(ScalarType dtype, KernelChoice kernels, double tolerance)
        {
            using var fixture = new ModelFixture(config, dtype, kernels: kernels);
            fixture.CopyWeightsFrom(start);
            RelativeError.Below(tolerance, "logits", logits, fixture.Logits(rows));
            var (actualLoss, actual) = fixture.LossAndGradients(rows);
            Assert.Equal(loss, actualLoss, tolerance * loss);
            Assert.Equal(gradients.Keys.Order(), actual.Keys.Order());
            foreach (var (name, expected) in gradients)
            {
                RelativeError.Below(tolerance, name, expected, actual[name]);
            }
        }
    }
}
