using KvShiftScale.Models.Configuration;
using KvShiftScale.Models.Initialization;
using KvShiftScale.Models.Probing;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Testing;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Tests.Probing;

public sealed class InductionProbeTests
{
    [Fact]
    public void AModelMadeForInductionScoresOne()
    {
        using var model = InductionModel.Make(context: 128);
        var scores = new InductionProbe(model, Below(InductionModel.Vocabulary)).Run();

        // The match scores e^45 times any other key; the copied token's logit leads by about 7 in a softmax over 64.
        Assert.Equal(1.0, scores.Accuracy);
        Assert.InRange(scores.SecondCopyLoss, 0, 0.1);
        Assert.True(scores.LossDifference < -2, $"{scores}");
        var layer = Assert.Single(scores.Layers);
        Assert.Equal(1.0, Assert.Single(layer.PrefixMatching), 1e-5);
        Assert.Equal(1.0, Assert.Single(layer.Copying), 1e-5);
        Assert.Equal([1f, 0f], Assert.Single(layer.KeyShift!));
        Assert.Equal([0f, 1f], Assert.Single(layer.ValueShift!));
    }

    [Fact]
    public void TheScoreFollowsTheValueThatIsMixedInAndNotTheAttendedPosition()
    {
        // Keys and values both of the previous token: attention looks where the induction head's does, and brings the token before it, which
        // is the query's own.
        using var model = InductionModel.Make(context: 128, valueCurrent: 0, valuePrevious: 1);
        var scores = new InductionProbe(model, Below(InductionModel.Vocabulary)).Run();

        Assert.Equal(0.0, scores.Accuracy);
        Assert.Equal(0.0, scores.Layers[0].PrefixMatching[0], 1e-5);
        Assert.Equal(1.0, scores.Layers[0].Copying[0], 1e-5);
    }

    [Fact]
    public void HalfAndHalfValuesScoreHalf()
    {
        using var model = InductionModel.Make(context: 128, valueCurrent: 0.5, valuePrevious: -0.5);
        var scores = new InductionProbe(model, Below(InductionModel.Vocabulary)).Run();

        Assert.Equal(0.5, scores.Layers[0].PrefixMatching[0], 1e-5);
        // One half raises the token that it reads, the other lowers it.
        Assert.Equal(0.5, scores.Layers[0].Copying[0], 1e-5);
    }

    [Fact]
    public void AnUntrainedModelScoresChance()
    {
        var config = new ModelConfig { VocabSize = 512, HiddenSize = 64, Layers = 2, Heads = 8, KvHeads = 4, FfnSize = 64, InitStd = 0.02 };
        using var model = new KvShiftTransformer(config, new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), 1 << 20), context: 128);
        model.Initialize(5);
        var scores = new InductionProbe(model, Below(512)).Run();

        // 504 predictions among 512 ids: one right on average; 8 or more come once in 10^5.
        Assert.InRange(scores.Accuracy, 0, 8.0 / 504);
        // Logits have a standard deviation of 0.02 * sqrt(64) = 0.16 around a guess among 512.
        Assert.Equal(Math.Log(512), scores.FirstCopyLoss, 0.1);
        Assert.Equal(0, scores.LossDifference, 0.05);
        foreach (var layer in scores.Layers)
        {
            // Attention is flat over 64 to 127 tokens, and its share of one of them 1/95 on average.
            Assert.All(layer.PrefixMatching, score => Assert.InRange(score, 0.004, 0.03));
            // Mean over heads of a rank that is uniform at chance: standard deviation sqrt(1/12 / 8) = 0.1 even if a head's ranks all agreed.
            Assert.Equal(0.5, layer.Copying.Average(), 0.4);
        }
    }

    [Theory]
    [InlineData(KvShiftVariant.Kv, 2, false, 0)]
    [InlineData(KvShiftVariant.Kv, 4, true, 0)]
    [InlineData(KvShiftVariant.Kv, 2, false, 5)]
    [InlineData(KvShiftVariant.K, 2, false, 0)]
    [InlineData(KvShiftVariant.V, 2, false, 0)]
    [InlineData(KvShiftVariant.None, 1, false, 0)]
    [InlineData(KvShiftVariant.Qkv, 2, false, 0)]
    [InlineData(KvShiftVariant.Gate, 2, false, 0)]
    [InlineData(KvShiftVariant.Clip, 2, false, 0)]
    [InlineData(KvShiftVariant.Window2, 2, false, 0)]
    [InlineData(KvShiftVariant.Window3, 2, false, 0)]
    [InlineData(KvShiftVariant.Window4, 2, true, 6)]
    public void ScoresEqualThePlainComputation(KvShiftVariant variant, int kvHeads, bool tied, int slidingWindow)
    {
        var config = new ModelConfig
        {
            VocabSize = 13,
            HiddenSize = 12,
            Layers = 2,
            Heads = 4,
            KvHeads = kvHeads,
            HeadSize = 4,
            FfnSize = 10,
            RopeBase = 100,
            InitStd = 0.5,
            KvShift = variant,
            TieEmbeddings = tied,
            SlidingWindow = slidingWindow,
            SlidingHeads = slidingWindow == 0 ? 0 : 2,
            SlidingKvHeads = slidingWindow == 0 ? 0 : 1,
            SlidingHeadSize = slidingWindow == 0 ? 0 : 6,
        };
        using var model = new KvShiftTransformer(config, new ParameterBuckets(ComputeDevice.Host(ScalarType.Float64), 4096), context: 16);
        model.Initialize(7);
        using (no_grad())
        {
            // Norm weights that matter, and scalars of both signs.
            foreach (var slot in model.Parameters.Slots)
            {
                if (slot.Name.EndsWith("norm.weight", StringComparison.Ordinal))
                {
                    slot.Parameter.copy_(arange(12, ScalarType.Float64) * 0.1 + 0.4);
                }

                if (slot.Name.EndsWith("1.self_attn.v_shift", StringComparison.Ordinal))
                {
                    slot.Parameter.narrow(0, 0, 1).mul_(-1.5);
                }

                if (slot.Name.EndsWith("0.self_attn.v_shift", StringComparison.Ordinal))
                {
                    slot.Parameter.narrow(1, 0, 1).mul_(-1);
                }
            }
        }
        var probe = new InductionProbe(model, Below(13));
        Assert.Equal(8, probe.Length);
        var scores = probe.Run();
        var weights = model.Parameters.Slots.ToDictionary(slot => slot.Name, slot => ModelFixture.Values(slot.Parameter));
        var rows = RepeatedSequences.Make(Below(13), 8, InductionProbe.Sequences).Chunk(16).ToArray();
        var plain = new PlainProbe(config, weights, 8);
        var expected = plain.Run(rows);

        // Both sides compute in float64; per-head scores and the weights they rest on are rounded to float32, 6e-8 of numbers near 1.
        Assert.Equal(expected.Accuracy, scores.Accuracy, 1e-12);
        Assert.Equal(expected.First, scores.FirstCopyLoss, 1e-10);
        Assert.Equal(expected.Second, scores.SecondCopyLoss, 1e-10);
        for (var layer = 0; layer < 2; layer++)
        {
            var (heads, kv, _, _) = config.Attention(layer);
            Assert.Equal(heads, scores.Layers[layer].PrefixMatching.Count);
            for (var head = 0; head < heads; head++)
            {
                Assert.Equal(expected.PrefixMatching[layer][head], scores.Layers[layer].PrefixMatching[head], 2e-7);
                Assert.Equal(expected.Copying[layer][head], scores.Layers[layer].Copying[head], 2e-7);
            }
            AssertShift($"model.layers.{layer}.self_attn.k_shift", kv, scores.Layers[layer].KeyShift);
            AssertShift($"model.layers.{layer}.self_attn.v_shift", kv, scores.Layers[layer].ValueShift);
        }

        void AssertShift(string name, int heads, IReadOnlyList<IReadOnlyList<float>>? found)
        {
            if (!weights.ContainsKey(name))
            {
                Assert.Null(found);
                return;
            }
            Assert.Equal(heads, found!.Count);
            for (var head = 0; head < heads; head++)
            {
                // The plain computation orders them by how far back they reach.
                var lags = plain.Lags(name, head, heads);
                Assert.Equal(lags.Length, found[head].Count);
                for (var lag = 0; lag < lags.Length; lag++)
                {
                    Assert.Equal(lags[lag], found[head][^(lag + 1)], 1e-6);
                }
            }
        }
    }

    [Fact]
    public void SequencesRepeatDistinctIdsOfTheVocabulary()
    {
        var ids = RepeatedSequences.Make(Below(100), length: 64, count: 8);
        Assert.Equal(ids, RepeatedSequences.Make(Below(100), 64, 8));
        foreach (var row in ids.Chunk(128))
        {
            Assert.Equal(row[..64], row[64..]);
            Assert.Equal(64, row[..64].Distinct().Count());
            Assert.All(row, id => Assert.InRange(id, 0, 99));
        }
        Assert.Equal(8, ids.Chunk(128).Select(row => row[0] * 100 + row[1]).Distinct().Count());
        // All of the ids, where a copy has as many tokens.
        Assert.Equal([2, 3, 5, 7, 11], RepeatedSequences.Make([7, 5, 3, 2, 11], 5, 1)[..5].Order());
    }

    [Theory]
    [InlineData(128, 512, 64)]
    [InlineData(300, 512, 64)]
    [InlineData(33, 512, 16)]
    [InlineData(128, 20, 20)]
    public void LengthFitsContextAndIds(int context, int candidates, int expected)
    {
        var config = ModelFixture.Config with { VocabSize = 512 };
        using var model = new KvShiftTransformer(config, new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), 4096), context);
        Assert.Equal(expected, new InductionProbe(model, Below(candidates)).Length);
    }

    private static int[] Below(int count) => [.. Enumerable.Range(0, count)];

    [Fact]
    public void AContextWithoutRoomIsRefused()
    {
        using var model = new KvShiftTransformer(ModelFixture.Config, new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), 4096), context: 3);
        Assert.Contains("context of 4", Assert.Throws<ArgumentException>(() => new InductionProbe(model, Below(13))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AProbeLeavesNothingBehindAndChangesNothing()
    {
        using var fixture = new ModelFixture(ModelFixture.Config, ScalarType.Float32);
        var (loss, gradients) = fixture.LossAndGradients();
        manual_seed(3);
        using var drawn = randn([4]);
        var expected = ModelFixture.Values(drawn);
        var probe = new InductionProbe(fixture.Model, Below(13));
        probe.Run();

        manual_seed(3);
        var before = LiveTensors.Settled();
        var scores = probe.Run();
        Assert.Equal(before, Tensor.TotalCount);
        using var drawnAfter = randn([4]);
        Assert.Equal(expected, ModelFixture.Values(drawnAfter));

        Assert.Equal(scores.Accuracy, probe.Run().Accuracy);
        var (lossAfter, gradientsAfter) = fixture.LossAndGradients();
        Assert.Equal(loss, lossAfter);
        foreach (var (name, values) in gradients)
        {
            Assert.Equal(values, gradientsAfter[name]);
        }
    }

    [Fact]
    public void OtherDevicesPathIsProbedToo()
    {
        // bfloat16 takes the composed operations; weights have 8 bits, and so have probabilities and scores up to a few roundings.
        using var exact = new ModelFixture(ModelFixture.Config, ScalarType.Float64);
        using var half = new ModelFixture(ModelFixture.Config, ScalarType.BFloat16);
        var (expected, scores) = (new InductionProbe(exact.Model, Below(13)).Run(), new InductionProbe(half.Model, Below(13)).Run());

        Assert.Equal(expected.SecondCopyLoss, scores.SecondCopyLoss, 0.1 * expected.SecondCopyLoss);
        foreach (var (a, b) in expected.Layers.Zip(scores.Layers))
        {
            foreach (var (x, y) in a.PrefixMatching.Zip(b.PrefixMatching))
            {
                Assert.Equal(x, y, 0.05f);
            }
        }
    }
}
