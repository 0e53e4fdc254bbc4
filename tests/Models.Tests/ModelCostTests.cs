using KvShiftScale.Models.Configuration;

namespace KvShiftScale.Models.Tests;

public sealed class ModelCostTests
{
    [Fact]
    public void CountsEveryParameterThatTheModelCreates()
    {
        foreach (var config in new[]
        {
            ModelFixture.Config,
            ModelFixture.Config with { TieEmbeddings = true },
            ModelFixture.Config with { KvShift = KvShiftVariant.None, KvHeads = 1 },
            ModelFixture.Sliding(3),
            ModelFixture.Sliding(3) with { KvShift = KvShiftVariant.Qkv },
        }.Concat(Enum.GetValues<KvShiftVariant>().Select(variant => ModelFixture.Config with { KvShift = variant })))
        {
            using var fixture = new ModelFixture(config, TorchSharp.torch.ScalarType.Float32);
            Assert.Equal(fixture.Model.Parameters.GlobalElementCount, ModelCost.Parameters(config));
        }
    }

    [Fact]
    public void FlopsPerTokenCountTheMatrixProductsOneByOne()
    {
        // One layer, hidden 4, one head of 4, ffn 8, vocabulary 16, context 3. Multiply-adds forward: q, k, v, o 4 x 16; gate, up, down
        // 3 x 32; head 64: 224. Two operations each, three times for forward and backward: 1344. Scores and their use: 2 products x 2
        // operations x 4 channels x 3 keys x 3 = 144. Shift of k and v: 2 x 4 channels x 3 operations x 3 = 72.
        var config = new ModelConfig { HiddenSize = 4, Layers = 1, Heads = 1, FfnSize = 8, VocabSize = 16 };
        Assert.Equal(1344 + 144 + 72, ModelCost.TrainingFlopsPerToken(config, context: 3, causal: false));
        Assert.Equal(1344 + 96 + 72, ModelCost.TrainingFlopsPerToken(config, context: 3, causal: true));

        // A second layer that slides over two keys, with two heads of 2 that share one kv head of 2. Matrices: q, o 2 x 16, k, v 2 x 8; gate,
        // up, down 96: 144 x 6. Keys seen by three tokens: 1 + 2 + 2, 5 / 3 each; scores and their use 12 x 4 x 5 / 3 = 80, or x 2 = 96 for
        // the whole window. Shift: 18 x 2.
        var sliding = config with { Layers = 2, SlidingWindow = 2, SlidingHeads = 2, SlidingKvHeads = 1, SlidingHeadSize = 2 };
        Assert.Equal(1344 + 144 + 72 + 864 + 96 + 36, ModelCost.TrainingFlopsPerToken(sliding, context: 3, causal: false));
        Assert.Equal(1344 + 96 + 72 + 864 + 80 + 36, ModelCost.TrainingFlopsPerToken(sliding, context: 3, causal: true), 1e-9);
    }

    [Theory]
    // Scalars of a layer, and the shift's operations forward in one token of one layer with 4 query heads and 2 kv heads of 4 channels: 8
    // channels of k and as many of v, 16 of q; 3, 5 or 7 operations each for windows of 2, 3 and 4.
    [InlineData(KvShiftVariant.None, 0, 0)]
    [InlineData(KvShiftVariant.Kv, 8, 48)]
    [InlineData(KvShiftVariant.K, 4, 24)]
    [InlineData(KvShiftVariant.V, 4, 24)]
    [InlineData(KvShiftVariant.Qkv, 16, 96)]
    [InlineData(KvShiftVariant.Gate, 4, 48)]
    [InlineData(KvShiftVariant.Clip, 8, 48)]
    [InlineData(KvShiftVariant.Window2, 8, 48)]
    [InlineData(KvShiftVariant.Window3, 12, 80)]
    [InlineData(KvShiftVariant.Window4, 16, 112)]
    public void VariantsCostTheirScalarsAndTheirProducts(KvShiftVariant variant, int scalars, int flops)
    {
        var (config, vanilla) = (ModelFixture.Config with { KvShift = variant }, ModelFixture.Config with { KvShift = KvShiftVariant.None });
        Assert.Equal(scalars * config.Layers, ModelCost.Parameters(config) - ModelCost.Parameters(vanilla));
        Assert.Equal(3.0 * flops * config.Layers,
            ModelCost.TrainingFlopsPerToken(config, 8, causal: true) - ModelCost.TrainingFlopsPerToken(vanilla, 8, causal: true));
    }
}
