using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Gradients;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.RankProgram.Scenarios;

/// <summary>
/// Overlapped reduction against the blocking one, on gradients that come from a backward of libtorch: a parameter with two uses, one without
/// any, several micro-batches, buckets that become ready in another order than they are reduced in, and ranks that are late by turns.
/// </summary>
internal static class OverlapScenario
{
    private const int Steps = 4;
    private const int MicroBatches = 2;

    public static void Run() => Run(checkCollectives: false);

    /// <summary>The same while ranks compare what they are about to do before each collective.</summary>
    public static void RunChecked() => Run(checkCollectives: true);

    private static void Run(bool checkCollectives)
    {
        using var context = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true, checkCollectives);
        Expect.Equal(true, context.AllowsOverlap, "MPI lets several threads call it");
        var (rank, ranks) = (context.Replicas.Rank, context.Replicas.Size);
        foreach (var share in (OptimizerShare[])[OptimizerShare.Whole, new(rank, ranks), new(rank, ranks, dividesGradients: true)])
        {
            // Integers up to 2^24: every order of a sum gives the same bits.
            var wanted = Train(context, new OptimizerShare(share.Index, share.Count), overlap: false, fractions: false);
            if (share.DividesGradients)
            {
                Compare(wanted, Train(context, share, overlap: false, fractions: false), "gradients in parts, in the caller's time");
            }

            foreach (var shareMemory in (bool[])[true, false])
            {
                Compare(wanted, Train(context, share, overlap: true, fractions: false, shareMemory), $"{share}, shared memory {shareMemory}");
            }
            // Two terms have one sum in either order; of more the two ways may differ in the last bit.
            if (context.World.Size > 2)
            {
                continue;
            }

            Compare(Train(context, share, overlap: false, fractions: true), Train(context, share, overlap: true, fractions: true), "fractions");
        }
        RunLateGradient(context);
    }

    /// <summary>A rank whose gradients have another size: the communication thread's failure comes out of the step.</summary>
    public static void RunFailure()
    {
        using var context = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true);
        using var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), bucketBytes: 4096);
        parameters.Create("weight", weightDecay: true, context.World.Rank + 5);
        using var reducer = new GradientReducer(parameters, context.Replicas, overlap: true);
        parameters.BeginStep();
        for (var turn = 0; turn < 2; turn++)
        {
            var failure = Expect.Throws<CollectiveException>(reducer.Reduce, "counts that differ");
            Expect.Equal(true, failure.Message.Contains("came with another operation, count or dtype", StringComparison.Ordinal), failure.Message);
        }
    }

    private static void RunLateGradient(ParallelContext context)
    {
        using var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), bucketBytes: 4096);
        var weight = parameters.Create("weight", weightDecay: true, 5);
        using var reducer = new GradientReducer(parameters, context.Replicas, overlap: true);
        for (var step = 0; step < 2; step++)
        {
            parameters.BeginStep();
            reducer.BeginMicroBatch(isLast: true);
            weight.Accumulate(ones([5]));
            if (step == 1)
            {
                var failure = Expect.Throws<InvalidOperationException>(() => weight.Accumulate(ones([5])), "one gradient more");
                Expect.Equal(true, failure.Message.StartsWith("parameter weight got gradient 2 of a backward after", StringComparison.Ordinal), failure.Message);
            }
            reducer.Reduce();
            Expect.Elements([.. Enumerable.Repeat((double)context.World.Size, 5)], weight.Gradient.to(ScalarType.Float64).data<double>().ToArray(), $"step {step}");
        }
    }

    private static List<double[]> Train(ParallelContext context, OptimizerShare share, bool overlap, bool fractions, bool shareMemory = true)
    {
        using var scope = NewDisposeScope();
        var group = context.Replicas;
        using var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), bucketBytes: 256, share);
        // The first and the last share a bucket with nobody; "tied" is used at both ends of the graph, "unused" nowhere, and "between" is alone
        // in the bucket of what is not decayed, which is allocated second and complete last but one.
        var tied = parameters.Create("tied", weightDecay: true, ParameterShard.Whole(8, 7), uses: 2);
        var between = parameters.Create("between", weightDecay: false, 7);
        var unused = parameters.Create("unused", weightDecay: true, 3, 3);
        var middle = parameters.Create("middle", weightDecay: true, 7, 7);
        var large = parameters.Create("large", weightDecay: true, 7, 41);
        Expect.Equal(true, parameters.Buckets.Count >= 4, "four buckets or more");
        using (no_grad())
        {
            foreach (var slot in parameters.Slots)
            {
                slot.Parameter.copy_(Make([.. slot.Shape], i => i % 3 - 1));
            }
        }

        using var reducer = new GradientReducer(parameters, group, overlap: overlap, shareMemory: shareMemory);
        Expect.Equal(overlap, reducer.IsOverlapped, "overlap");
        List<double[]> seen = [];
        for (var step = 0; step < Steps; step++)
        {
            parameters.BeginStep();
            for (var micro = 0; micro < MicroBatches; micro++)
            {
                if (step % group.Size == group.Rank)
                {
                    Thread.Sleep(15);
                }

                reducer.BeginMicroBatch(isLast: micro == MicroBatches - 1);
                using var inner = NewDisposeScope();
                var seed = group.Rank + step + micro;
                var input = Make([2, 8], i => (i + seed) % 4);
                var hidden = (input.matmul(tied.AsInput()) * between.AsInput()).matmul(middle.AsInput());
                var wide = hidden.matmul(large.AsInput()).sum() + hidden.matmul(tied.AsInput().t()).sum();
                BackwardPass.Run(fractions ? wide / 3 : wide);
            }
            reducer.Reduce();
            if (share.DividesGradients)
            {
                Expect.Equal(parameters.Buckets.Sum(bucket => 4 * bucket.OwnedLength), parameters.GradientBytes, "bytes of gradients between steps");
            }

            foreach (var bucket in parameters.Buckets)
            {
                seen.Add(bucket.OwnedGradients().to(ScalarType.Float64).data<double>().ToArray());
            }

            // An update in which ranks differ only by what they own, and which keeps integers small.
            using (no_grad())
            {
                foreach (var bucket in parameters.Buckets)
                {
                    var gradients = bucket.OwnedGradients().data<float>().ToArray();
                    bucket.OwnedParameters().copy_(Make([gradients.Length], i => Math.Sign(gradients[i])));
                }
            }
            reducer.GatherParameters();
            if (step % group.Size == group.Rank)
            {
                Thread.Sleep(15);
            }

            if (step == Steps - 1)
            {
                seen.AddRange(parameters.Slots.Select(slot => slot.Parameter.detach().to(ScalarType.Float64).view(-1).data<double>().ToArray()));
            }
        }
        Expect.Elements(new double[9], unused.Parameter.detach().to(ScalarType.Float64).view(-1).data<double>().ToArray(), "unused");
        var reduction = reducer.Reduction.Snapshot();
        Expect.Equal(true, reduction.Transfer > 0 && reduction.HiddenFraction is >= 0 and <= 1, $"reductions are counted: {reduction}");
        Expect.Equal(share.Count > 1, reducer.Gathering.Snapshot().Transfer > 0, "gathers are counted");
        if (!overlap)
        {
            Expect.Equal(true, Math.Abs(reduction.Transfer - reduction.Exposed) <= 1e-9 * reduction.Transfer, $"without overlap all is exposed: {reduction}");
        }

        return seen;
    }

    private static Tensor Make(long[] shape, Func<long, double> value)
        => tensor(Enumerable.Range(0, (int)shape.Aggregate(1L, (product, size) => product * size)).Select(i => value(i)).ToArray()).to(ScalarType.Float32).view(shape);

    private static void Compare(List<double[]> wanted, List<double[]> found, string what)
    {
        Expect.Equal(wanted.Count, found.Count, what);
        for (var i = 0; i < wanted.Count; i++)
        {
            for (var j = 0; j < wanted[i].Length; j++)
            {
                if (BitConverter.DoubleToInt64Bits(wanted[i][j]) != BitConverter.DoubleToInt64Bits(found[i][j]))
                {
                    throw new ExpectationException($"{what}: buffer {i}, element {j}: {found[i][j]:R}, wanted {wanted[i][j]:R}");
                }
            }
        }
    }
}
