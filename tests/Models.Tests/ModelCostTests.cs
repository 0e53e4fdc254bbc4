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
        })
        {
            using var fixture = new ModelFixture(config, TorchSharp.torch.ScalarType.Float32);
            Assert.Equal(fixture.Model.Parameters.GlobalElementCount, ModelCost.Parameters(config));
        }
    }

    [Theory]
    // Shapes and totals of the paper's Table 1 and 6; non-embedding counts and totals re-derived there to four digits.
    [InlineData(2048, 28, 16, 16, 5504, 36000, 1.417, 1.564)]
    [InlineData(2560, 32, 20, 4, 8704, 48000, 2.643, 2.888)]
    [InlineData(4096, 32, 32, 32, 11008, 36000, 6.476, 6.771)]
    [InlineData(5120, 40, 40, 40, 13824, 36000, 12.688, 13.057)]
    [InlineData(6144, 48, 48, 4, 16384, 48000, 18.422, 19.012)]
    public void PaperModelsHaveThePapersSizes(int hidden, int layers, int heads, int kvHeads, int ffn, int vocabulary, double nonEmbedding, double total)
    {
        var config = new ModelConfig
        {
            HiddenSize = hidden,
            Layers = layers,
            Heads = heads,
            KvHeads = kvHeads,
            FfnSize = ffn,
            VocabSize = vocabulary,
        };
        Assert.Equal(nonEmbedding, ModelCost.NonEmbeddingParameters(config) / 1e9, 0.0006);
        Assert.Equal(total, ModelCost.Parameters(config) / 1e9, 0.0006);
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
}
