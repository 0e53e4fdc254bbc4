using System.Diagnostics;
using KvShiftScale.Parallel;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.RankProgram.Scenarios;

/// <summary>The end of overlapped reduction where other ranks do not come any more.</summary>
internal static class OverlapEndScenario
{
    // Two ranks share buckets of it without padding.
    private const int Elements = 8192;

    /// <summary>A rank that ends while another does not come: what it has begun is given up instead of waited for.</summary>
    public static void RunAbandoned(bool checkCollectives)
    {
        using var context = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true, checkCollectives);
        using var parameters = Make(context, out var weights);
        var reducer = new GradientReducer(parameters, context.Replicas, overlap: true);
        Steps(reducer, parameters, weights, context, 2);
        if (context.World.Rank > 0)
        {
            // Never comes: as a rank that waits in another collective, or has failed in its own way.
            Thread.Sleep(Timeout.Infinite);
        }
        parameters.BeginStep();
        reducer.BeginMicroBatch(isLast: true);
        // The gradients start reductions that rank 1 never joins.
        foreach (var weight in weights) weight.Accumulate(ones([Elements]));
        var begun = Stopwatch.GetTimestamp();
        reducer.Dispose();
        var seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        // Five seconds of patience, and five for a thread that cannot be told.
        Expect.Equal(true, seconds is > 4 and < 30, $"it was given up after {seconds:F1} s");
        // As the product does after a failure of one rank: MPI cannot end in order with what was given up.
        context.Abort(3);
    }

    private static ParameterBuckets Make(ParallelContext context, out List<ParameterSlot> weights)
    {
        var parameters = new ParameterBuckets(ScalarType.Float32, CPU, bucketBytes: 4 * Elements, new OptimizerShare(context.Replicas.Rank, context.Replicas.Size));
        weights = [.. Enumerable.Range(0, 4).Select(i => parameters.Create($"weight {i}", weightDecay: true, Elements))];
        using var mode = no_grad();
        foreach (var weight in weights) weight.Parameter.zero_();
        return parameters;
    }

    private static void Steps(GradientReducer reducer, ParameterBuckets parameters, List<ParameterSlot> weights, ParallelContext context, int count)
    {
        for (var step = 0; step < count; step++)
        {
            using var scope = NewDisposeScope();
            parameters.BeginStep();
            reducer.BeginMicroBatch(isLast: true);
            foreach (var weight in weights) weight.Accumulate(ones([Elements]) * (context.World.Rank + 1.0));
            reducer.Reduce();
            foreach (var bucket in parameters.Buckets)
            {
                var wanted = context.World.Size * (context.World.Size + 1) / 2;
                Expect.Equal((double)wanted * bucket.OwnedLength, bucket.OwnedGradients().to(ScalarType.Float64).sum().item<double>(), $"sum of step {step}");
            }
            reducer.GatherParameters();
        }
        foreach (var weight in weights) Expect.Equal(true, weight.Parameter is not null, "a parameter that has arrived");
    }
}
