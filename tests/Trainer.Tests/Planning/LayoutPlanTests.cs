using KvShiftScale.Models;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Planning;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Tests.Planning;

public sealed class LayoutPlanTests
{
    private static readonly HardwareProfile Simple = new()
    {
        MemoryBytes = 1e12,
        MemoryBytesPerSecond = 1e9,
        Bf16FlopsPerSecond = 2e9,
        Fp32FlopsPerSecond = 1e9,
        ProductEfficiency = 0.5,
        AttentionEfficiency = 0.25,
        BandwidthEfficiency = 1,
        NodeBytesPerSecond = 1e8,
        NodeLatencySeconds = 1e-4,
        NetworkBytesPerSecond = 1e7,
        NetworkLatencySeconds = 1e-3,
        OverlapShare = 0,
        DiskBytesPerSecond = 1e6,
    };

    private static readonly RunConfig Small = RunConfigReader.Parse(
        """
        run: { name: small, steps: 86400, checkpoint_every: 0 }
        model: { vocab_size: 16, hidden_size: 8, layers: 4, heads: 2, kv_heads: 1, ffn_size: 16 }
        data: { train: [a], context: 4, global_batch: 8, micro_batch: 1 }
        """, "small.yaml", []);

    // 4 tokens of 8 columns are 32 elements, keys or values 16, gate and up 64 each.
    [Theory]
    [InlineData(Recompute.None, 4 * (2 * 32 + 2 * 32 + 2 * 32 + 4 * 16 + 3 * 64) + 4 * (2 * 4 + 4 * 2))]
    [InlineData(Recompute.Selective, 4 * (2 * 32 + 2 * 32 + 2 * 16 + 2 * 64) + 4 * (2 * 4 + 4 * 2))]
    [InlineData(Recompute.Full, 4 * 2 * 32)]
    public void KeptActivationsOfALayerAreThoseOfItsTensors(Recompute recompute, double bytes)
        => Assert.Equal(bytes, new LayerMemory(LayerSizes.Of(Small, 0), ShiftPlan.Of(KvShiftVariant.Kv), Small.Parallel, new ElementBytes(4, 4)).Kept(recompute));

    [Fact]
    public void APipelinesFirstStageHoldsAMicroBatchForEachStage()
    {
        var kept = Term(Of(Small, 1).Memory, "activations").Value;
        var pipeline = Of(With(Small, new ParallelConfig { Pipeline = 4 }), 4);

        Assert.Equal(0, pipeline.MemoryStage);
        // Each stage has one of the four layers, and the first holds four micro-batches of it.
        Assert.Equal(kept, Term(pipeline.Memory, "activations").Value);
        // Four outputs of 32 numbers.
        Assert.Equal(4 * 32 * 4, Term(pipeline.Memory, "activations between stages").Value);
    }

    [Fact]
    public void ProductsAreCountedOnce()
    {
        // Of a layer: queries and output 64 each, keys and values 32 each, three of 128; 6 operations for each of them and of the head's 128, at half the peak.
        var weights = 4 * (2 * 64 + 2 * 32 + 3 * 128) + 128;
        var whole = Of(Small, 1);

        Assert.Equal(6.0 * weights * 8 * 4 / 0.5e9, Term(whole.Time, "products").Value, 1e-12);
        // 12 operations for each of 8 query columns, and 2.5 keys of 4 on average, in four layers.
        Assert.Equal(12.0 * 8 * 2.5 * 4 * 8 * 4 / 0.25e9, Term(whole.Time, "attention").Value, 1e-12);
        Assert.Equal(1, Of(With(Small, new ParallelConfig { Recompute = Recompute.Full }), 1).StepSeconds / whole.StepSeconds, 0.4);
        Assert.Equal(6.0 * weights * 8 * 4 + 12.0 * 8 * 2.5 * 4 * 8 * 4, Small.Data.GlobalBatch * 4 * (ModelCost.TrainingFlopsPerToken(Small.Model, 4, causal: true) - ShiftFlops), 1e-6);
    }

    [Fact]
    public void SumsOverRanksTakeTheRingsTime()
    {
        var layout = MeshLayout.Create(8, new ParallelConfig { Tensor = 2, Context = 2 });
        var inside = new LinkTime(Simple, layout, ranksPerNode: 4);

        // Half the bytes there, half back.
        Assert.Equal(2 * (500 / 1e8 + 1e-4), inside.Sum(1000, MeshAxis.Tensor), 1e-12);
        Assert.True(inside.IsInsideNode([MeshAxis.Context]));
        // Four ranks of tensor and context are a node: data goes between.
        Assert.Equal(500 / 1e7 + 1e-3, inside.GatherOrScatter(1000, MeshAxis.Data), 1e-12);
        // Neighbours along data and context are four ranks on two nodes.
        Assert.Equal(3 * (250 / 1e7 + 1e-3), inside.GatherOrScatter(1000, MeshAxis.Data, MeshAxis.Context), 1e-12);
        Assert.Equal(0, inside.Sum(1000, MeshAxis.Pipeline));
    }

    [Fact]
    public void ABubbleIsAMicroBatchThroughTheOtherStages()
    {
        var plan = Of(With(Small, new ParallelConfig { Pipeline = 2 }), 2);
        double[] ofPasses = [.. plan.Time.Take(6).Select(term => term.Value)];

        Assert.InRange(Term(plan.Time, "bubble").Value, 0, ofPasses.Sum() / plan.Plan.MicroSteps);
        Assert.True(Term(plan.Time, "bubble").Value > 0);
    }

    // Two stages of four layers, with one chunk and with two.
    [Fact]
    public void ChunksShortenTheBubbleAndKeepMore()
    {
        var (whole, chunks) = (Of(With(Small, new ParallelConfig { Pipeline = 2 }), 2), Of(With(Small, new ParallelConfig { Pipeline = 2, VirtualStages = 2 }), 2));

        Assert.Equal(1.0 / (whole.Plan.MicroSteps + 1), whole.Plan.BubbleShare);
        Assert.Equal(1.0 / (2 * chunks.Plan.MicroSteps + 1), chunks.Plan.BubbleShare);
        // A stage has three messages with each micro-batch where it had one, and so has the other that it waits for.
        var messages = Term(whole.Time, "messages of the pipeline").Value;
        Assert.Equal(3 * messages, Term(chunks.Time, "messages of the pipeline").Value, 1e-12);
        Assert.Equal((Term(whole.Time, "bubble").Value + (2 * messages / whole.Plan.MicroSteps)) / 2, Term(chunks.Time, "bubble").Value, 1e-12);
        // Two micro-batches of two layers; five of one.
        Assert.Equal(5.0 / 4, Term(chunks.Memory, "activations").Value / Term(whole.Memory, "activations").Value, 1e-12);
    }

    [Fact]
    public void TermsAddUpAndDaysFollow()
    {
        var plan = Of(Small, 1);

        Assert.Equal(plan.MemoryBytes, plan.Memory.Sum(term => term.Value));
        Assert.Equal(plan.StepSeconds, plan.Time.Sum(term => term.Value));
        Assert.Equal(plan.StepSeconds, plan.Days, 1e-9);
        Assert.Equal(32 / plan.StepSeconds, plan.TokensPerSecond, 1e-9);
        Assert.InRange(plan.Mfu, 0, 0.5);
    }

    // The shape of the paper's 19B model, parameter by parameter.
    [Fact]
    public void TheLargestModelHasTheBytesOfItsParameters()
    {
        const double layer = 2 * 6144.0 * 6144 + 2 * 6144 * 4 * 128 + 3 * 6144.0 * 16384 + 2 * 6144 + 2 * 2 * 4;
        const double parameters = 2 * 48000.0 * 6144 + 48 * layer + 6144;
        var config = Large with { Precision = Precision.Bf16 };
        var plan = Of(config, 1, KnownHardware.All["h200"]);

        Assert.InRange(parameters, 18.9e9, 19.1e9);
        Assert.Equal(2 * parameters, Term(plan.Memory, "parameters").Value);
        Assert.Equal(4 * parameters, Term(plan.Memory, "gradients").Value);
        Assert.Equal(12 * parameters, Term(plan.Memory, "optimizer").Value);
        Assert.Equal(12 * parameters, plan.CheckpointBytes);
    }

    [Fact]
    public void WhatIsDividedMoreTakesLess()
    {
        var config = Large with { Precision = Precision.Bf16 };
        double[] tensor = [.. new[] { 1, 2, 4, 8 }.Select(degree => Bytes(new ParallelConfig { Tensor = degree }))];
        double[] pipeline = [.. new[] { 1, 2, 4, 8 }.Select(degree => Bytes(new ParallelConfig { Pipeline = degree }))];
        double[] context = [.. new[] { 1, 2, 4, 8 }.Select(degree => Bytes(new ParallelConfig { Context = degree }))];
        double[] recompute = [.. new[] { Recompute.None, Recompute.Selective, Recompute.Full }.Select(mode => Bytes(new ParallelConfig { Recompute = mode }))];

        Assert.All([tensor, pipeline, context, recompute], bytes => Assert.Equal(bytes.OrderDescending(), bytes));
        Assert.True(Bytes(new ParallelConfig { Tensor = 8, Sequence = true }) < Bytes(new ParallelConfig { Tensor = 8, Sequence = false }));
        Assert.True(Bytes(new ParallelConfig()) < Bytes(new ParallelConfig { OptimizerSharding = OptimizerSharding.None }));
        Assert.True(Seconds(new ParallelConfig { Recompute = Recompute.None }) < Seconds(new ParallelConfig { Recompute = Recompute.Selective }));
        Assert.True(Seconds(new ParallelConfig { Recompute = Recompute.Selective }) < Seconds(new ParallelConfig { Recompute = Recompute.Full }));

        double Bytes(ParallelConfig parallel) => Of(With(config, parallel), 16, KnownHardware.All["h200"]).MemoryBytes;

        double Seconds(ParallelConfig parallel) => Of(With(config, parallel), 16, KnownHardware.All["h200"]).StepSeconds;
    }

    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    public void BucketsAreThoseOfTheModel(int bytes)
    {
        using var model = new KvShiftTransformer(Small.Model, new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), (long)bytes << 20), context: 4);

        Assert.Equal(model.Parameters.Buckets.Sum(bucket => bucket.Capacity),
            new HeldParameters(Small.Model).Buckets(new ParallelConfig { BucketMebibytes = bytes }, stage: 0, gradientBytes: 4).Capacity);
    }

    [Fact]
    public void GradientsInPartsTakeLessAndAreSummedInEveryMicroBatch()
    {
        var (first, second) = (Plan(OptimizerSharding.Zero1), Plan(OptimizerSharding.Zero2));
        var gradients = Term(first.Memory, "gradients").Value;

        Assert.Equal(gradients / 4, Term(second.Memory, "gradients").Value);
        // All parameters lie in two buckets, of what is decayed and of the rest: both are whole in backward.
        Assert.Equal(gradients, Term(second.Memory, "whole gradients").Value);
        Assert.Equal(0, Term(first.Memory, "whole gradients").Value);
        // Two micro-batches of a row on each of four ranks.
        Assert.Equal(2 * Term(first.Time, "sums of gradients").Value, Term(second.Time, "sums of gradients").Value, 1e-12);

        static LayoutPlan Plan(OptimizerSharding sharding) => Of(With(Small, new ParallelConfig { OptimizerSharding = sharding }), 4);
    }

    // Canonical sums want no gradients in parts, whatever the configuration has.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void EveryLayoutKeepsTheRulesOfALaunch(bool deterministic)
    {
        var config = With(Small, new ParallelConfig { OptimizerSharding = OptimizerSharding.Zero2 }) with { Run = Small.Run with { Deterministic = deterministic } };
        var search = LayoutSearch.Of(config, Cluster.For(config, Simple, nodes: 2, ranksPerNode: 4));

        Assert.NotEmpty(search.Layouts);
        Assert.All(search.Layouts, plan => RunConfigRules.Check(plan.Plan.Config, 8));
        Assert.Equal(search.Layouts.OrderBy(plan => plan.StepSeconds).Select(plan => plan.StepSeconds), search.Layouts.Select(plan => plan.StepSeconds));
        Assert.Empty(search.TooLarge);
        // Two query heads, and four layers.
        Assert.Contains(search.Refused, refused => refused.Reason == "parallel.tensor" && refused.Example.Contains("2 heads", StringComparison.Ordinal));
        Assert.Contains(search.Refused, refused => refused.Reason == "parallel.pipeline");
        Assert.Contains(search.Layouts, plan => plan.Plan.Config.Parallel is { Tensor: 2, Pipeline: 2, Recompute: Recompute.Selective });
    }

    [Fact]
    public void WhatDoesNotFitIsCountedByItsLargestPart()
    {
        var search = LayoutSearch.Of(Small, Cluster.For(Small, Simple with { MemoryBytes = 1 }, nodes: 1, ranksPerNode: 1));

        Assert.Empty(search.Layouts);
        // Small models are smaller than their buckets. Four micro-batches divide 8 sequences, with three ways to recompute.
        var left = Assert.Single(search.TooLarge);
        Assert.Equal(("unused room of buckets", 4 * 3), (left.Reason, left.Count));
    }

    private static double ShiftFlops => 3.0 * 3 * 2 * 4 * 4;

    private static RunConfig Large { get; } = new()
    {
        Run = new RunSection { Name = "large", Steps = 1 },
        Model = ModelPresets.Find("kvshift-19b")!,
        Data = Small.Data with { Context = 12288, GlobalBatch = 256, MicroBatch = 1 },
    };

    private static RunConfig With(RunConfig config, ParallelConfig parallel) => config with { Parallel = parallel };

    private static LayoutPlan Of(RunConfig config, int ranks, HardwareProfile? hardware = null)
    {
        var held = new HeldParameters(config.Model);
        return new LayoutPlan(new RunPlan(config, ranks, held), held, Cluster.For(config, hardware ?? Simple, nodes: 1, ranksPerNode: ranks));
    }

    private static PlanTerm Term(IReadOnlyList<PlanTerm> terms, string name) => terms.Single(term => term.Name == name);
}
