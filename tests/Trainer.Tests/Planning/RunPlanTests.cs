using KvShiftScale.Models;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Planning;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Tests.Planning;

public sealed class RunPlanTests
{
    private static readonly ModelConfig Hybrid = new()
    {
        VocabSize = 11,
        HiddenSize = 12,
        Layers = 3,
        Heads = 2,
        KvHeads = 1,
        FfnSize = 10,
        SlidingWindow = 4,
        SlidingHeads = 6,
        SlidingKvHeads = 3,
        SlidingHeadSize = 2,
    };

    public static TheoryData<bool, KvShiftVariant> Models() => new()
    {
        { false, KvShiftVariant.Kv },
        { true, KvShiftVariant.Kv },
        { false, KvShiftVariant.None },
    };

    [Theory]
    [MemberData(nameof(Models))]
    public void TensorsAndCountsAreThoseOfTheModel(bool tied, KvShiftVariant variant)
    {
        var config = Hybrid with { TieEmbeddings = tied, KvShift = variant };
        var plan = Plan(config, ranks: 1);
        using var model = new KvShiftTransformer(config, new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), 1 << 20), context: 8);
        var slots = model.Parameters.Slots;

        var matrices = slots.Where(slot => slot.Shape.Count == 2 && !slot.Name.EndsWith("_shift", StringComparison.Ordinal)).ToArray();
        Assert.Equal(
            matrices.GroupBy(slot => $"{slot.Shape[0]} x {slot.Shape[1]}").Select(group => $"{group.Key}: {group.Count()}").Order(),
            plan.Tensors().Where(group => group.Shape.Length == 2).GroupBy(group => $"{group.Shape[0]} x {group.Shape[1]}")
                .Select(group => $"{group.Key}: {group.Sum(entry => entry.Count)}").Order());
        Assert.Equal(model.Parameters.GlobalElementCount, plan.Tensors().Sum(group => group.Parameters));
        Assert.Equal(model.Parameters.GlobalElementCount, plan.Parameters.Total);
        Assert.Equal(Sum("_shift"), plan.Parameters.ShiftScalars);
        Assert.Equal(Sum("norm.weight"), plan.Parameters.Norms);
        Assert.Equal(Sum("_proj.weight"), plan.Parameters.AttentionMatrices + plan.Parameters.FeedForward);
        Assert.Equal(Sum("embed_tokens.weight"), plan.Parameters.Embedding);
        Assert.Equal(Sum("lm_head.weight"), plan.Parameters.Head);

        long Sum(string ending) => slots.Where(slot => slot.Name.EndsWith(ending, StringComparison.Ordinal)).Sum(slot => slot.Parameter.numel());
    }

    [Fact]
    public void MemoryFollowsPrecisionAndTensorParallelism()
    {
        var whole = Plan(Hybrid, ranks: 1);
        var halves = new RunPlan(whole.Config with { Parallel = new ParallelConfig { Tensor = 2 } }, ranks: 4);
        var (all, norms) = (whole.Parameters.Total, whole.Parameters.Norms);

        Assert.Equal(new MemoryEstimate(4 * all, 4 * all, 8 * all, 12 * all), whole.MemoryOfRank(Precision.Fp32));
        Assert.Equal(new MemoryEstimate(8 * all, 8 * all, 16 * all, 24 * all), whole.MemoryOfRank(Precision.Fp64));
        // A float32 copy and two moments beside the parameters.
        Assert.Equal(new MemoryEstimate(2 * all, 4 * all, 12 * all, 12 * all), whole.MemoryOfRank(Precision.Bf16));
        Assert.Equal(30.0 * all, whole.MemoryOfRank(Precision.Bf16).Total);
        // Nothing is copied where training waits for the disk.
        Assert.Equal(0, new RunPlan(whole.Config with { Run = whole.Config.Run with { AsyncSave = false } }, 1).MemoryOfRank(Precision.Fp32).Staging);
        // Norms are whole on both ranks, and so is the one key and value head of the two layers without a window: matrices [6, 12], scalars [1, 2].
        // Rows of the vocabulary are padded.
        const int OneHead = 2 * 2 * ((6 * 12) + 2);
        var held = norms + OneHead + ((all - norms - OneHead + Padding(Hybrid)) / 2.0);
        Assert.Equal(12.0 * held / 2, halves.MemoryOfRank(Precision.Fp32).Staging);
        Assert.Equal(2, halves.DataRanks);
        Assert.Equal(4.0 * held, halves.MemoryOfRank(Precision.Fp32).Parameters);

        static long Padding(ModelConfig model)
            => (model.TieEmbeddings ? 1 : 2) * (2 * ShardRule.DividedByVocabulary.RowsOf(model.VocabSize, 2) - model.VocabSize) * model.HiddenSize;
    }

    [Fact]
    public void MemoryOfAPipelineIsThatOfItsLargestStage()
    {
        var model = Hybrid with { Layers = 3, TieEmbeddings = false };
        var config = Plan(model, ranks: 1).Config with { Parallel = new ParallelConfig { Pipeline = 2 } };
        var plan = new RunPlan(config, ranks: 4);
        // The first stage has two of the layers.
        var first = ParameterPlan.Of(model).Parameters.Where(parameter => parameter.Layer < 2 || parameter.Part == ParameterPart.Embedding)
            .Sum(parameter => parameter.ElementCount);

        Assert.Equal((2, 2, 4), (plan.Replicas, plan.DataRanks, plan.MicroSteps));
        Assert.Equal(4.0 * first, plan.MemoryOfRank(Precision.Fp32).Parameters);
        Assert.Equal(8.0 * first / 2, plan.MemoryOfRank(Precision.Fp32).Optimizer);
        Assert.Equal(1.0 / 5, plan.BubbleShare);
        Assert.Equal(0, Plan(model, ranks: 1).BubbleShare);
    }

    [Fact]
    public void TokensAndMicroStepsFollowTheBatch()
    {
        var plan = Plan(Hybrid, ranks: 2);

        Assert.Equal(24 * 8, plan.TokensPerStep);
        Assert.Equal(24 * 8 * 10, plan.Tokens);
        Assert.Equal(4, plan.MicroSteps);
    }

    private static RunPlan Plan(ModelConfig model, int ranks)
        => new(RunConfigReader.Parse("run: {name: a, steps: 10}\ndata: {train: [a], context: 8, global_batch: 24, micro_batch: 3}\n", "a.yaml", [])
            with
        { Model = model }, ranks);
}
