using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;
using static TorchSharp.torch;

namespace KvShiftScale.RankProgram.Scenarios;

/// <summary>What the ledger has of real collectives, and what ranks that compare them find.</summary>
internal static class LedgerScenario
{
    private const int Differing = 1;

    /// <summary>Entries, positions and totals after known collectives.</summary>
    public static void Run()
    {
        using var context = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true);
        var (ledger, group) = (context.Ledger!, context.Replicas);
        using var data = TypedTensor.Make(CollectiveDataType.Float64, 10);
        var before = group.Ledger.Position;
        group.AllReduce(data);
        using var arrival = new Arrival();
        arrival.Begin(group);

        var started = ledger.Recent()[^1];
        Expect.Equal(CollectiveState.Started, started.State, "state of a sum that nobody waits for");
        Expect.Equal(before.Begun + 2, started.Sequence, "its sequence number");
        Expect.Equal(before.Ended + 1, group.Ledger.Position.Ended, "collectives that have ended");
        Expect.Equal("all_reduce of 1 int32 (sum)", $"{started.Call}", "its text");
        Expect.Equal($"replicas [{string.Join(' ', Enumerable.Range(0, group.Size))}]", $"{started.Group}", "its group");
        Expect.Equal(true, started.Call.Site.StartsWith("tests/RankProgram/Scenarios/LedgerScenario.cs:", StringComparison.Ordinal), started.Call.Site);
        arrival.MarkAwaited();
        Expect.Equal(CollectiveState.Running, ledger.Recent()[^1].State, "state of what the caller waits for");
        while (!arrival.IsCompleteWithin(1000))
        {
        }

        arrival.End();
        Expect.Equal(CollectiveState.Ended, ledger.Recent()[^1].State, "state after the wait");
        Expect.Equal("all_reduce of 10 float64 (sum)", $"{ledger.Recent()[^2].Call}", "the one before");
        Expect.Equal(before.Ended + 2, group.Ledger.Position.Ended, "collectives that have ended after the wait");
        using var numbers = TypedTensor.Make(CollectiveDataType.Int32, 3);
        group.Collectives.Broadcast(numbers, root: 1);
        Expect.Equal("broadcast of 3 int32 from its rank 1", $"{ledger.Recent()[^1].Call}", "text of a broadcast");

        for (var i = 0; i < CollectiveLedger.Capacity + 5; i++)
        {
            group.Barrier();
        }

        var recent = ledger.Recent();
        Expect.Equal(CollectiveLedger.Capacity, recent.Count, "entries that are remembered");
        Expect.Equal(true, recent.Zip(recent.Skip(1)).All(pair => pair.Second.Number == pair.First.Number + 1), "their order");
        var reduced = ledger.Totals().Single(total => total.Group == "replicas" && total.Totals.Operation == CollectiveOperation.AllReduce).Totals;
        Expect.Equal((2L, 84L), (reduced.Calls, reduced.ByteCount), "calls and bytes of the group's reductions");

        var allocated = GC.GetAllocatedBytesForCurrentThread();
        group.Barrier();
        Expect.Equal(0L, GC.GetAllocatedBytesForCurrentThread() - allocated, "bytes that recording allocates");
    }

    /// <summary>One of three ranks has another count, another type, another operation, another root: all three say which.</summary>
    public static void RunChecked()
    {
        using var context = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true, checkCollectives: true);
        var (group, differs) = (context.Replicas, context.World.Rank == Differing);
        using var scope = NewDisposeScope();
        group.AllReduce(Zeros(CollectiveDataType.Float64, 10));
        using var arrival = new Arrival();
        arrival.Begin(group);
        while (!arrival.IsCompleteWithin(1000))
        {
        }

        arrival.End();
        Mismatch(() => group.AllReduce(Zeros(CollectiveDataType.Float64, differs ? 9 : 10)),
            "all_reduce of 9 float64 (sum)", "all_reduce of 10 float64 (sum)");
        Mismatch(() => group.AllReduce(Zeros(differs ? CollectiveDataType.Float32 : CollectiveDataType.Int32, 4)),
            "all_reduce of 4 float32 (sum)", "all_reduce of 4 int32 (sum)");
        Mismatch(() => group.Collectives.Broadcast(Zeros(CollectiveDataType.Int64, 4), root: differs ? 1 : 0),
            "broadcast of 4 int64 from its rank 1", "broadcast of 4 int64 from its rank 0");
        Mismatch(() =>
        {
            if (differs)
            {
                group.Barrier();
            }
            else
            {
                group.AllReduce(Zeros(CollectiveDataType.Float64, 1), ReduceOperation.Max);
            }
        },
            "barrier", "all_reduce of 1 float64 (max)");
        // The order: the second of two calls on one rank is the first on the others.
        Mismatch(() =>
        {
            if (differs)
            {
                First(group);
            }
            else
            {
                Second(group);
            }
        }, "barrier", "barrier");

        void Mismatch(Action call, string theirs, string ours)
        {
            var found = Expect.Throws<CollectiveMismatchException>(call, theirs).Message;
            var number = group.Ledger.Position.Begun;
            Expect.Equal(true, found.Contains($"rank 1 is at {theirs} #{number} at tests/RankProgram/Scenarios/LedgerScenario.cs:", StringComparison.Ordinal), found);
            Expect.Equal(true, found.Contains($"; rank 0, 2 at {ours} #{number} at tests/RankProgram/Scenarios/LedgerScenario.cs:", StringComparison.Ordinal), found);
            Expect.Equal(true, found.Contains("the group replicas [0 1 2]", StringComparison.Ordinal), found);
        }
    }

    private static Tensor Zeros(CollectiveDataType type, int elementCount) => TypedTensor.Make(type, elementCount);

    private static void First(ProcessGroup group) => group.Barrier();

    private static void Second(ProcessGroup group) => group.Barrier();
}
