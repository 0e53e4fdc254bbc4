using KvShiftScale.Core;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Planning;

namespace KvShiftScale.Simulation.Tests;

/// <summary>Launches of whole training steps: their time against formulas, and that a wrong order is found.</summary>
public sealed class SimulatedLaunchTests
{
    // Kernels that memory bounds, links and the update take next to nothing.
    private static readonly HardwareProfile Products = KnownHardware.All["h200"] with
    {
        MemoryBytesPerSecond = 1e18,
        NodeBytesPerSecond = 1e18,
        NodeLatencySeconds = 0,
        NetworkBytesPerSecond = 1e18,
        NetworkLatencySeconds = 0,
    };

    private static readonly RunConfig Small = RunConfigReader.Parse(
        """
        run: { name: small, steps: 10, checkpoint_every: 0 }
        model: { vocab_size: 8, hidden_size: 256, layers: 8, heads: 4, kv_heads: 2, ffn_size: 4096 }
        data: { train: [a], context: 32, global_batch: 16, micro_batch: 2 }
        """, "small.yaml", []);

    [Theory]
    [InlineData(2, 4)]
    [InlineData(4, 8)]
    [InlineData(8, 8)]
    [InlineData(8, 2)]
    public void APipelineOfEqualStagesWaitsForTheShareOfTheBubble(int stages, int microBatches)
    {
        var launch = Launch(new ParallelConfig { Pipeline = stages }, stages, Products, Small with { Data = Small.Data with { GlobalBatch = 2 * microBatches } });

        var result = launch.Run(Stragglers.None);

        // The embedding and the head are some thousandths of a stage.
        Assert.Equal((stages - 1.0) / (microBatches + stages - 1), 1 - result.ComputeSeconds / result.StepSeconds, 0.01);
    }

    // What the planner adds up from formulas and what ranks do one after the other, where nothing overlaps and nobody waits.
    [Theory]
    [InlineData(2, 1, true, Recompute.None)]
    [InlineData(2, 1, true, Recompute.Selective)]
    [InlineData(4, 1, false, Recompute.Full)]
    [InlineData(1, 2, true, Recompute.None)]
    [InlineData(2, 2, true, Recompute.Full)]
    public void TransfersInsideOneCopyTakeThePlannersTime(int tensor, int context, bool sequence, Recompute recompute)
    {
        var parallel = new ParallelConfig { Tensor = tensor, Context = context, Sequence = sequence, Recompute = recompute, OptimizerSharding = OptimizerSharding.None, Overlap = false };
        var hardware = KnownHardware.All["h200"] with { NodeLatencySeconds = 0 };
        // As many kv heads as ranks: no plan counts sums over those that share one.
        var config = Small with { Parallel = parallel, Model = Small.Model with { KvHeads = 4 } };
        var ranks = tensor * context;
        var result = Launch(parallel, ranks, hardware, config).Run(Stragglers.None);
        var held = new HeldParameters(config.Model);
        var plan = new LayoutPlan(new RunPlan(config, ranks, held), held, Cluster.For(config, hardware, 1, ranks));

        Assert.Equal(plan.Time.Single(term => term.Name == "optimizer").Value, result.ComputeSeconds - Planned("products", "attention", "kernels bound by memory"), 1e-6 * result.ComputeSeconds);
        // Norms of sequence-parallel ranks are summed over them, and the numbers of a step over all, which no plan counts.
        Assert.Equal(1, result.TransferSeconds / Planned("tensor collectives", "context collectives", "sums of gradients"), 0.02);

        double Planned(params string[] terms) => plan.Time.Where(term => terms.Contains(term.Name)).Sum(term => term.Value);
    }

    [Fact]
    public void RanksThatAreAlikeDoNotWaitForEachOther()
    {
        var result = Launch(new ParallelConfig { Tensor = 2, Context = 2 }, 16, KnownHardware.All["h200"]).Run(Stragglers.None);
        Assert.Equal(0, result.LateSeconds, 1e-12);
        Assert.Equal(result.StepSeconds, result.ComputeSeconds + result.TransferSeconds + result.ExposedSeconds, 1e-9);
    }

    [Fact]
    public void OneSlowRankHoldsUpAll()
    {
        var launch = Launch(new ParallelConfig { Tensor = 2 }, 8, Products);
        var seed = Enumerable.Range(0, 1000).First(seed => Enumerable.Range(0, 8).Count((One with { Seed = (ulong)seed }).IsSlow) == 1);

        var (even, uneven) = (launch.Run(Stragglers.None), launch.Run(One with { Seed = (ulong)seed }));

        Assert.Equal(1.5, uneven.StepSeconds / even.StepSeconds, 1e-3);
    }

    // In a launch whose ranks all are in one group, or are neighbours in a pipeline, no rank can change the order of two calls unnoticed.
    [Theory]
    [InlineData(2, 1, 2)]
    [InlineData(1, 2, 2)]
    [InlineData(1, 1, 2)]
    [InlineData(1, 4, 4)]
    public void TwoOperationsOfOneRankThatChangePlacesAreFound(int tensor, int pipeline, int ranks)
    {
        var parallel = new ParallelConfig { Tensor = tensor, Pipeline = pipeline, Recompute = Recompute.Selective, Overlap = false, BucketMebibytes = 1 };
        var launch = Launch(parallel, ranks, Products, Small with { Data = Small.Data with { GlobalBatch = 4 } });
        var swapped = 0;
        foreach (var rank in (int[])[0, ranks - 1])
        {
            var program = launch.Programs[rank];
            int[] calls = [.. program.Computing.Index().Where(operation => operation.Item.Kind is OperationKind.Collective or OperationKind.Send or OperationKind.Receive).Select(operation => operation.Index)];
            foreach (var (first, second) in calls.Zip(calls.Skip(1)))
            {
                var (before, after) = (program.Computing[first], program.Computing[second]);
                // A message that leaves the pipeline's own order, or a collective that others would not tell from its neighbour.
                if (before.Call == after.Call && before.Group == after.Group)
                {
                    continue;
                }

                swapped++;
                Operation[] changed = [.. program.Computing];
                (changed[first], changed[second]) = (after, before);
                RankProgram[] programs = [.. launch.Programs];
                programs[rank] = program with { Computing = changed };
                var found = Record.Exception(() => launch.Run(programs, Stragglers.None));
                Assert.True(found is StandstillException or CollectiveMismatchException or MessageMismatchException,
                    $"rank {rank} calls {after.Call} at {after.Call.Site} before {before.Call} at {before.Call.Site}, and nobody notices");
            }
        }

        Assert.True(swapped > 5, $"only {swapped} pairs were swapped");
    }

    [Fact]
    public void CanonicalSumsAreRefused()
    {
        var found = Assert.Throws<UsageException>(() => Launch(new ParallelConfig(), 2, Products, Small with { Run = Small.Run with { Deterministic = true } }));
        Assert.Contains("run.deterministic", found.Message, StringComparison.Ordinal);
    }

    private static Stragglers One => new(0, 0.125, 1.5, 0);

    private static SimulatedLaunch Launch(ParallelConfig parallel, int ranks, HardwareProfile hardware, RunConfig? config = null)
        => new((config ?? Small) with { Parallel = parallel }, hardware, ranks, ranksPerNode: ranks);
}
