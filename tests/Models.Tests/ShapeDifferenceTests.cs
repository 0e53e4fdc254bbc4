using KvShiftScale.Models.Configuration;

namespace KvShiftScale.Models.Tests;

public sealed class ShapeDifferenceTests
{
    private static readonly ModelConfig Stored = new() { Layers = 4, HiddenSize = 48, Heads = 4, KvHeads = 4, HeadSize = 12, FfnSize = 64, SlidingWindow = 8 };

    [Fact]
    public void DefaultsAreResolvedAndHowWeightsBeganDoesNotCount()
        => Assert.Empty(ShapeDifference.Between(Stored, Stored with { KvHeads = 0, HeadSize = 0, Preset = "x", InitStd = 1, Init = WeightInitialization.FanIn,
            KvShiftInit = KvShiftInitialization.Identity, SlidingHeads = 4 }));

    [Fact]
    public void EveryKeyThatDiffersIsNamedWithBothValues()
    {
        var wanted = Stored with { FfnSize = 32, RopeBase = 500, KvShift = KvShiftVariant.None, TieEmbeddings = true, SlidingKvHeads = 2 };

        Assert.Equal(
            [
                new ShapeDifference("model.ffn_size", "64", "32"), new ShapeDifference("model.rope_base", "100000", "500"),
                new ShapeDifference("model.tie_embeddings", "false", "true"), new ShapeDifference("model.kv_shift", "kv", "none"),
                new ShapeDifference("model.sliding_kv_heads", "4", "2"),
            ],
            ShapeDifference.Between(Stored, wanted));
    }

    [Fact]
    public void AWindowThatNoLayerHasIsNone()
        => Assert.Empty(ShapeDifference.Between(Stored with { Layers = 1 }, Stored with { Layers = 1, SlidingWindow = 0 }));
}
