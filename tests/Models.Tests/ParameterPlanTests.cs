using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Tests;

public sealed class ParameterPlanTests
{
    public static TheoryData<KvShiftVariant, bool, int> Shapes
    {
        get
        {
            var shapes = new TheoryData<KvShiftVariant, bool, int>();
            foreach (var variant in Enum.GetValues<KvShiftVariant>())
            {
                shapes.Add(variant, true, 0);
                shapes.Add(variant, false, 3);
            }

            return shapes;
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void IsWhatAModelIsMadeOf(KvShiftVariant variant, bool tied, int window)
    {
        var config = ModelFixture.Config with
        {
            KvShift = variant,
            TieEmbeddings = tied,
            SlidingWindow = window,
            SlidingHeads = window == 0 ? 0 : 2,
            SlidingKvHeads = window == 0 ? 0 : 1,
        };
        var plan = ParameterPlan.Of(config);
        using var model = new KvShiftTransformer(config, new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), 1 << 20), context: 8);

        Assert.Equal(model.Parameters.Slots.Select(slot => slot.Name).Order(), plan.Parameters.Select(parameter => parameter.Name).Order());
        Assert.All(model.Parameters.Slots, slot => Assert.Equal(slot.Shard.GlobalShape, plan[slot.Name].Shape));
        Assert.Equal(ParameterCounts.Of(config).Total, plan.Parameters.Sum(parameter => parameter.ElementCount));
        // Matrices decay, vectors and scalars of the shift do not.
        Assert.All(plan.Parameters, parameter => Assert.Equal(parameter.Name.EndsWith("_proj.weight", StringComparison.Ordinal)
            || parameter.Name is "model.embed_tokens.weight" or "lm_head.weight", parameter.WeightDecay));
    }

    [Fact]
    public void EveryParameterHasAStageAndATiedEmbeddingTwo()
    {
        var untied = ParameterPlan.Of(ModelFixture.Config with { TieEmbeddings = false });
        var tied = ParameterPlan.Of(ModelFixture.Config with { TieEmbeddings = true });

        Assert.Equal(["model.embed_tokens.weight"], On(untied, ParameterStages.First));
        Assert.Equal(["model.norm.weight", "lm_head.weight"], On(untied, ParameterStages.Last));
        Assert.Equal(["model.embed_tokens.weight", "model.norm.weight"], On(tied, ParameterStages.Last));
        Assert.All(untied.Parameters, parameter => Assert.Equal(parameter.Layer is not null, parameter.Stages == ParameterStages.OfLayer));

        static IEnumerable<string> On(ParameterPlan plan, ParameterStages stage)
            => plan.Parameters.Where(parameter => parameter.Stages.HasFlag(stage)).Select(parameter => parameter.Name);
    }

    [Theory]
    [InlineData(1, 1, "0-1")]
    [InlineData(4, 2, "0-2 2-4")]
    [InlineData(3, 2, "0-2 2-3")]
    [InlineData(7, 3, "0-3 3-5 5-7")]
    [InlineData(4, 4, "0-1 1-2 2-3 3-4")]
    public void StagesHoldConsecutiveLayersAndTheirEndsWhatIsOutsideOfLayers(int layers, int stages, string ranges)
    {
        var ofStages = Enumerable.Range(0, stages).Select(stage => StageRange.Of(layers, stage, stages)).ToList();
        Assert.Equal(ranges, string.Join(' ', ofStages.Select(stage => $"{stage.FirstLayer}-{stage.EndLayer}")));
        foreach (var tied in (bool[])[false, true])
        {
            var plan = ParameterPlan.Of(ModelFixture.Config with { Layers = layers, TieEmbeddings = tied });
            var held = ofStages.Select(stage => plan.Parameters.Where(stage.Holds).Select(parameter => parameter.Name).ToList()).ToList();
            // In the order of the plan, and the tied embedding once more at the end.
            var twice = tied && stages > 1 ? ["model.embed_tokens.weight"] : Array.Empty<string>();
            Assert.Equal(plan.Parameters.Select(parameter => parameter.Name).Concat(twice).Order(), held.SelectMany(names => names).Order());
            Assert.Contains("model.embed_tokens.weight", held[0]);
            Assert.Contains("model.norm.weight", held[^1]);
            Assert.Contains(tied ? "model.embed_tokens.weight" : "lm_head.weight", held[^1]);
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => StageRange.Of(layers, 0, layers + 1));
    }

    // Two stages of two chunks: layers 0 1 | 2 | 3 | 4 go to stages 0, 1, 0 and 1.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ChunksOfAStageHaveTheOtherStagesBetween(bool tied)
    {
        var plan = ParameterPlan.Of(ModelFixture.Config with { Layers = 5, TieEmbeddings = tied });
        var (first, last) = (StageChunks.Of(5, 0, 2, 2), StageChunks.Of(5, 1, 2, 2));

        Assert.Equal([(0, 2), (3, 4)], first.Chunks.Select(chunk => (chunk.FirstLayer, chunk.EndLayer)));
        Assert.Equal([(2, 3), (4, 5)], last.Chunks.Select(chunk => (chunk.FirstLayer, chunk.EndLayer)));
        Assert.Equal((true, false, false, true), (first.HasEmbedding, first.HasHead, last.HasEmbedding, last.HasHead));
        Assert.Equal([0, 0, 1], Layers(first).Distinct().Select(layer => first.ChunkOf(plan[$"model.layers.{layer}.mlp.up_proj.weight"])));
        Assert.Equal([2, 4], Layers(last).Distinct());
        Assert.Equal(0, first.ChunkOf(plan["model.embed_tokens.weight"]));
        Assert.Equal(1, last.ChunkOf(plan["model.norm.weight"]));
        // Both ends sum a tied embedding's gradient, when the first has it: with the backward of its first chunk.
        Assert.Equal(tied ? 0 : 1, last.ChunkOf(plan[tied ? "model.embed_tokens.weight" : "lm_head.weight"]));

        IEnumerable<int> Layers(StageChunks stage) => plan.Parameters.Where(stage.Holds).Select(parameter => parameter.Layer).OfType<int>();
    }

    [Fact]
    public void ARankHoldsWhatTheRuleSays()
    {
        Assert.Equal(12, new ShardRule.Replicated().HeldElements([12], 4));
        Assert.Equal(12, new ShardRule.Divided(1).HeldElements([6, 8], 4));
        Assert.Equal(12, new ShardRule.DividedByHead(4).HeldElements([8, 6], 4));
        // Two ranks for each of two heads.
        Assert.Equal(24, new ShardRule.DividedByHead(2).HeldElements([8, 6], 4));
        // 100 rows on 3 ranks: 34 each, 40 with padding.
        Assert.Equal(40 * 5, new ShardRule.DividedByVocabulary().HeldElements([100, 5], 3));
        Assert.Equal(100 * 5, new ShardRule.DividedByVocabulary().HeldElements([100, 5], 1));
    }
}
