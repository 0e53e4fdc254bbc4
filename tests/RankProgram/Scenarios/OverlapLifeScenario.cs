using System.Diagnostics;
using System.Globalization;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Gradients;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Testing;
using static TorchSharp.torch;

namespace KvShiftScale.RankProgram.Scenarios;

/// <summary>What overlapped reduction holds while it lives, what is left of it, and its end where other ranks do not come any more.</summary>
internal static class OverlapLifeScenario
{
    // Two ranks share buckets of it without padding.
    private const int Elements = 8192;

    /// <summary>One thread and one mapping for each reducer while it lives, neither afterwards, no name in /dev/shm at any time, and nothing that grows.</summary>
    public static void Run()
    {
        using var context = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true);
        using var parameters = Make(context, out var weights);
        ExpectHeld(0, "before");
        using (new GradientReducer(parameters, context.Replicas, overlap: true))
        using (new GradientReducer(parameters, context.Data, overlap: true))
        {
            ExpectHeld(2, "of two reducers");
        }
        ExpectHeld(0, "of two disposed reducers");
        ExpectOtherThreadRefused(parameters, context);
        EndWhileAnotherListens(parameters, weights, context);
        ExpectHeld(0, "of two that ended in the order in which they were made");
        using (var reducer = new GradientReducer(parameters, context.Replicas, overlap: true))
        {
            // The runtime compiles again what is called often, with malloc's memory: that is over after some hundred steps.
            Steps(reducer, parameters, weights, context, 300);
            var (tensors, bytes) = (LiveTensors.Settled(), Settled());
            Steps(reducer, parameters, weights, context, 300);
            Expect.Equal(tensors, Tensor.TotalCount, "tensors after 300 steps");
            // A bucket's buffer lost in each step would be 10 MB.
            var grown = Settled() - bytes;
            Expect.Equal(true, grown < 1 << 20, $"malloc's memory grew by {grown} bytes in 300 steps");
            ExpectHeld(1, "after 600 steps");
        }
        ExpectHeld(0, "after");
        context.World.Barrier();
    }

    /// <summary>Reducers one after the other, some made and freed while another's thread communicates, on both ways, beside collectives of the computing thread.</summary>
    public static void RunMany()
    {
        using var context = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true);
        using var parameters = Make(context, out var weights);
        using var others = Make(context, out var otherWeights);
        using (var lasting = new GradientReducer(others, context.Data, overlap: true))
        {
            for (var turn = 0; turn < 20; turn++)
            {
                // Its gathers are under way while the next reducer forms its groups, and while that one frees them.
                Steps(lasting, others, otherWeights, context, 2, awaitParameters: false);
                using (var reducer = new GradientReducer(parameters, context.Replicas, overlap: true, shareMemory: turn % 3 > 0))
                {
                    // Backward runs on after the first reducer's gradients: both threads have reductions.
                    for (var step = 0; step < 3; step++)
                    {
                        Begin(lasting, others, otherWeights, context);
                        Begin(reducer, parameters, weights, context);
                        context.World.Barrier();
                        End(reducer, parameters, context, step);
                        End(lasting, others, context, step);
                    }
                    Begin(lasting, others, otherWeights, context);
                }
                End(lasting, others, context, turn);
            }
            ExpectHeld(1, "of the reducer that lasts");
        }
        ExpectHeld(0, "after");
        Expect.Throws<ObjectDisposedException>(() =>
        {
            var reducer = new GradientReducer(parameters, context.Replicas, overlap: true);
            reducer.Dispose();
            reducer.Dispose();
            reducer.Reduce();
        }, "a reduction after the end");
        context.World.Barrier();
    }

    /// <summary>The way through MPI: because it is asked for, and because the first rank has no room in /dev/shm.</summary>
    public static void RunWithoutMemory()
    {
        using var context = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true);
        using var parameters = Make(context, out var weights);
        using (var reducer = new GradientReducer(parameters, context.Replicas, overlap: true))
        {
            Steps(reducer, parameters, weights, context, 3);
            ExpectHeld(1, "with shared memory");
        }
        Check(() => new GradientReducer(parameters, context.Replicas, overlap: true, shareMemory: false), "which is not wanted");
        Check(() =>
        {
            using var limit = context.World.Rank == 0 ? new FileSizeLimit(4096) : null;
            return new GradientReducer(parameters, context.Replicas, overlap: true);
        }, "which has no room");
        context.World.Barrier();

        void Check(Func<GradientReducer> make, string what)
        {
            using var reducer = make();
            Steps(reducer, parameters, weights, context, 20);
            ExpectHeld(threads: 1, mappings: 0, $"without memory {what}");
        }
    }

    /// <summary>MPI that was started for fewer threads than a communication thread needs: the computing thread reduces, to the same sums.</summary>
    public static void RunWithoutThreads()
    {
        string[] arguments = [];
        using var mpi = new MPI.Environment(ref arguments, MPI.Threading.Serialized);
        using var context = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true);
        Expect.Equal(MPI.Threading.Serialized, MPI.Environment.Threading, "MPI's threads");
        Expect.Equal(false, context.AllowsOverlap, "overlap");
        using var parameters = Make(context, out var weights);
        using (var reducer = new GradientReducer(parameters, context.Replicas, overlap: context.AllowsOverlap))
        {
            Expect.Equal(false, reducer.IsOverlapped, "overlapped");
            Steps(reducer, parameters, weights, context, 20);
            ExpectHeld(0, "in the computing thread's time");
            Expect.Equal(true, reducer.Reduction.Snapshot().HiddenFraction < 1e-9, "nothing hidden");
        }
        var refusal = Expect.Throws<InvalidOperationException>(() => new GradientReducer(parameters, context.Replicas, overlap: true), "overlap all the same");
        Expect.Equal(true, refusal.Message.Contains("MPI_THREAD_MULTIPLE", StringComparison.Ordinal), refusal.Message);
        context.World.Barrier();
    }

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
        // The gradients start reductions that rank 1 never joins, and gathers queue up behind them.
        foreach (var weight in weights)
        {
            weight.Accumulate(ones([Elements]));
        }

        reducer.GatherParameters();
        var begun = Stopwatch.GetTimestamp();
        reducer.Dispose();
        var seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        // Five seconds of patience, and five for a thread that cannot be told.
        Expect.Equal(true, seconds is > 4 and < 30, $"it was given up after {seconds:F1} s");
        Expect.Throws<CollectiveException>(() => _ = weights[0].Parameter, "a parameter that never arrives");
        // As the product does after a failure of one rank: MPI cannot end in order with what was given up.
        context.Abort(3);
    }

    // Ranks whose threads form groups in different orders would wait for each other.
    private static void ExpectOtherThreadRefused(ParameterBuckets parameters, ParallelContext context)
    {
        var thread = new Thread(() => Expect.Throws<InvalidOperationException>(
            () => new GradientReducer(parameters, context.Replicas, overlap: true), "a reducer made on another thread"));
        thread.Start();
        thread.Join();
    }

    // The newer reducer still learns of gradients: it finds the one that comes after its bucket was closed.
    private static void EndWhileAnotherListens(ParameterBuckets parameters, List<ParameterSlot> weights, ParallelContext context)
    {
        var older = new GradientReducer(parameters, context.Replicas, overlap: true);
        using var newer = new GradientReducer(parameters, context.Data, overlap: true);
        older.Dispose();
        Steps(newer, parameters, weights, context, 2);
        Begin(newer, parameters, weights, context);
        using var more = ones([Elements]);
        Expect.Throws<InvalidOperationException>(() => weights[^1].Accumulate(more), "one gradient more");
        End(newer, parameters, context, 2);
    }

    private static ParameterBuckets Make(ParallelContext context, out List<ParameterSlot> weights)
    {
        var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), bucketBytes: 4 * Elements, new OptimizerShare(context.Replicas.Rank, context.Replicas.Size));
        weights = [.. Enumerable.Range(0, 4).Select(i => parameters.Create($"weight {i}", weightDecay: true, Elements))];
        using var mode = no_grad();
        foreach (var weight in weights)
        {
            weight.Parameter.zero_();
        }

        return parameters;
    }

    private static void Steps(GradientReducer reducer, ParameterBuckets parameters, List<ParameterSlot> weights, ParallelContext context, int count, bool awaitParameters = true)
    {
        for (var step = 0; step < count; step++)
        {
            Begin(reducer, parameters, weights, context);
            End(reducer, parameters, context, step);
        }
        if (!awaitParameters)
        {
            return;
        }

        foreach (var weight in weights)
        {
            Expect.Equal(true, weight.Parameter is not null, "a parameter that has arrived");
        }
    }

    private static void Begin(GradientReducer reducer, ParameterBuckets parameters, List<ParameterSlot> weights, ParallelContext context)
    {
        using var scope = NewDisposeScope();
        parameters.BeginStep();
        reducer.BeginMicroBatch(isLast: true);
        foreach (var weight in weights)
        {
            weight.Accumulate(ones([Elements]) * (context.World.Rank + 1.0));
        }
    }

    private static void End(GradientReducer reducer, ParameterBuckets parameters, ParallelContext context, int step)
    {
        using var scope = NewDisposeScope();
        reducer.Reduce();
        var wanted = context.World.Size * (context.World.Size + 1) / 2;
        foreach (var bucket in parameters.Buckets)
        {
            Expect.Equal((double)wanted * bucket.OwnedLength, bucket.OwnedGradients().to(ScalarType.Float64).sum().item<double>(), $"sum of step {step}");
        }

        reducer.GatherParameters();
    }

    // Without what the numbers that these steps multiply by, which wait for the finalizer, hold.
    private static long Settled()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return NativeHeap.Bytes;
    }

    // Each reducer has a group of its own, and so memory of its own.
    private static void ExpectHeld(int reducers, string when) => ExpectHeld(threads: reducers, mappings: reducers, when);

    private static void ExpectHeld(int threads, int mappings, string when)
    {
        // A thread has been waited for when its last instruction of managed code is done; Linux lists it a while longer. Its name comes late, too.
        var begun = Stopwatch.GetTimestamp();
        while (CommunicationThreads() != threads && Stopwatch.GetElapsedTime(begun) < TimeSpan.FromSeconds(10))
        {
            Thread.Sleep(1);
        }

        Expect.Equal(threads, CommunicationThreads(), $"communication threads {when}");
        Expect.Equal(mappings, Mappings(), $"mappings of shared memory {when}");
        Expect.Equal(0, Names(), $"names in /dev/shm {when}");
    }

    // Linux keeps 15 characters of a thread's name.
    private static int CommunicationThreads() => Directory.GetDirectories("/proc/self/task").Count(IsCommunication);

    private static bool IsCommunication(string task)
    {
        try
        {
            return File.ReadAllText(Path.Combine(task, "comm")).StartsWith("communication", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            // It has ended between the list and the look.
            return false;
        }
    }

    private static int Mappings() => File.ReadLines("/proc/self/maps").Count(line => line.Contains("/dev/shm/kvshift-", StringComparison.Ordinal));

    // Those that this process made.
    private static int Names() => Directory.GetFiles("/dev/shm", string.Create(CultureInfo.InvariantCulture, $"kvshift-{Environment.ProcessId}-*")).Length;
}
