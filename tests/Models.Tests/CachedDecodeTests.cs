using KvShiftScale.Models.Configuration;
using KvShiftScale.Models.Layout;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Tests;

public sealed class CachedDecodeTests
{
    public static TheoryData<KvShiftVariant> Variants() => [.. Enum.GetValues<KvShiftVariant>()];

    [Theory]
    [MemberData(nameof(Variants))]
    public void ChunksOfAnyLengthGiveTheLogitsOfTheWholeSequence(KvShiftVariant variant)
        => DecodeInChunks(ModelFixture.Config with { KvShift = variant, Layers = 3 });

    [Theory]
    [InlineData(KvShiftVariant.Kv, 1)]
    [InlineData(KvShiftVariant.Kv, 2)]
    [InlineData(KvShiftVariant.Qkv, 3)]
    [InlineData(KvShiftVariant.Window4, 3)]
    [InlineData(KvShiftVariant.Kv, 7)]
    [InlineData(KvShiftVariant.Kv, 100)]
    public void LayersThatSlideToo(KvShiftVariant variant, int window) => DecodeInChunks(ModelFixture.Sliding(window) with { KvShift = variant });

    private static void DecodeInChunks(ModelConfig config)
    {
        const int tokens = 40;
        using var fixture = new ModelFixture(config, ScalarType.Float64, context: tokens);
        fixture.SpreadScalars();
        var random = new Random(5);
        var ids = Enumerable.Range(0, tokens).Select(_ => random.Next(13)).ToArray();
        var expected = fixture.Logits(TestRows.Document(ids));

        // One token at a time, at once, and five random ways to cut the sequence up; chunks shorter than the window among them.
        foreach (var longest in new[] { 1, tokens, 3, 4, 6, 9, 15 })
        {
            using var scope = NewDisposeScope();
            using var mode = no_grad();
            var caches = fixture.Model.NewCaches();
            var decoded = new List<double>();
            for (var start = 0; start < tokens;)
            {
                var end = Math.Min(tokens, start + (longest == tokens ? tokens : random.Next(1, longest + 1)));
                decoded.AddRange(ModelFixture.Values(fixture.Model.Decode(tensor(ids[start..end]), caches)));
                start = end;
            }

            // Relative to each position's own logits: an error in a few of them must not drown in the others.
            for (var t = 0; t < tokens; t++)
            {
                RelativeError.Below(1e-12, $"position {t}, chunks of up to {longest}", expected[(t * 13)..((t + 1) * 13)],
                    [.. decoded[(t * 13)..((t + 1) * 13)]]);
            }
            foreach (var cache in caches)
            {
                cache.Dispose();
            }
        }
    }

    [Theory]
    [InlineData(KvShiftVariant.Kv)]
    [InlineData(KvShiftVariant.Window4)]
    public void GreedyDecodeEqualsGreedyRecomputationTokenByToken(KvShiftVariant variant)
    {
        const int prompt = 8, tokens = 512;
        var config = ModelFixture.Config with { VocabSize = 64, HiddenSize = 16, KvShift = variant };
        using var fixture = new ModelFixture(config, ScalarType.Float32, context: prompt + tokens);
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var caches = fixture.Model.NewCaches();
        var ids = Enumerable.Range(0, prompt).Select(i => 7 * i % 64).ToList();
        var next = ids.ToArray();
        var (smallestGap, largestDifference) = (double.PositiveInfinity, 0.0);
        for (var step = 0; step < tokens; step++)
        {
            using var stepScope = NewDisposeScope();
            var cached = ModelFixture.Values(fixture.Model.Decode(tensor(next), caches).narrow(0, next.Length - 1, 1));
            var layout = new TokenLayout(1, ids.Count, arange(ids.Count, int32));
            var full = ModelFixture.Values(fixture.Model.Logits(tensor(ids.ToArray()), layout).narrow(0, ids.Count - 1, 1));
            var (best, gap) = BestAndGap(full);
            Assert.Equal(best, BestAndGap(cached).Best);
            smallestGap = Math.Min(smallestGap, gap);
            largestDifference = Math.Max(largestDifference, cached.Zip(full, (a, b) => Math.Abs(a - b)).Max());
            ids.Add(best);
            next = [best];
        }
        foreach (var cache in caches)
        {
            cache.Dispose();
        }

        // The two sum in different orders, so a tie could fall either way. There is none: the two best logits are always further apart
        // than the paths, with room for other instruction sets. And the text is no short loop, which would try the same step only.
        Assert.True(smallestGap > 8 * largestDifference, $"best two {smallestGap:E2} apart, paths {largestDifference:E2}");
        Assert.True(largestDifference < 1e-4, $"paths {largestDifference:E2} apart");
        Assert.True(ids.Distinct().Count() > 16, $"{ids.Distinct().Count()} different tokens");
    }

    [Fact]
    public void ACacheThatIsFullRefusesMoreAndStaysAsItWas()
    {
        using var fixture = new ModelFixture(ModelFixture.Config, ScalarType.Float64, context: 6);
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        int[] ids = [3, 1, 4, 1, 5, 9];
        var expected = fixture.Logits(TestRows.Document(ids));
        var caches = fixture.Model.NewCaches();
        fixture.Model.Decode(tensor(ids[..4]), caches);

        Assert.Throws<InvalidOperationException>(() => fixture.Model.Decode(tensor(ids[..3]), caches));

        var rest = ModelFixture.Values(fixture.Model.Decode(tensor(ids[4..]), caches));
        RelativeError.Below(1e-12, "logits", expected[(4 * 13)..], rest);
        foreach (var cache in caches)
        {
            cache.Dispose();
        }
    }

    private static (int Best, double Gap) BestAndGap(double[] logits)
    {
        var best = Array.IndexOf(logits, logits.Max());
        return (best, logits[best] - logits.Where((_, i) => i != best).Max());
    }
}
