using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.RankProgram.Scenarios;

/// <summary>
/// Every operation on every type, blocking and started. Element i of rank r is r + i (in part p of a scattered buffer r + i + 8 p), so
/// that with n ranks the sum is n i + n (n - 1) / 2, the largest n - 1 + i and the smallest i: whole, and below 256, up to where
/// bfloat16 has every integer.
/// </summary>
internal static class CollectiveScenario
{
    public static void Run()
    {
        using var context = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true);
        var world = context.World;
        Expect.Equal(Told("OMPI_COMM_WORLD_SIZE", "PMI_SIZE"), $"{world.Size}", "ranks");
        Expect.Equal(Told("OMPI_COMM_WORLD_RANK", "PMI_RANK"), $"{world.Rank}", "rank");
        foreach (var type in Enum.GetValues<CollectiveDataType>())
        {
            foreach (var elementCount in (int[])[0, 1, 5, 17])
            {
                foreach (var isStarted in (bool[])[false, true])
                {
                    CheckReductions(world, type, elementCount, isStarted);
                    CheckMoves(world, type, elementCount, isStarted);
                }
            }
        }

        CheckOutOfOrderWaits(world);
        CheckRefusals(world);
        world.Barrier();
        CheckCounters(context.Data);
    }

    // Of Open MPI's mpirun, or of MPICH's.
    private static string? Told(string openMpi, string mpich) => Environment.GetEnvironmentVariable(openMpi) ?? Environment.GetEnvironmentVariable(mpich);

    private static void CheckReductions(ProcessGroup group, CollectiveDataType type, int elementCount, bool isStarted)
    {
        foreach (var operation in Enum.GetValues<ReduceOperation>())
        {
            var what = $"{operation} of {elementCount} {type}{(isStarted ? ", started" : "")}";
            using var data = new TypedBuffer(type, elementCount, i => group.Rank + i);
            using var parts = new TypedBuffer(type, elementCount * group.Size,
                i => group.Rank + i % elementCount + 8 * (i / elementCount));
            using var own = new TypedBuffer(type, elementCount);
            if (isStarted)
            {
                WaitPolling(group.StartAllReduce(data.Address, elementCount, type, operation));
                WaitPolling(group.StartReduceScatter(parts.Address, own.Address, elementCount, type, operation));
            }
            else
            {
                group.AllReduce(data.Address, elementCount, type, operation);
                group.ReduceScatter(parts.Address, own.Address, elementCount, type, operation);
            }

            Expect.Elements(Sequence(elementCount, i => Reduced(group.Size, operation, i)), data.Values, "all-reduce, " + what);
            Expect.Elements(Sequence(elementCount, i => Reduced(group.Size, operation, i + 8 * group.Rank)), own.Values,
                "reduce-scatter, " + what);
        }
    }

    private static void CheckMoves(ProcessGroup group, CollectiveDataType type, int elementCount, bool isStarted)
    {
        var what = $"{elementCount} {type}{(isStarted ? ", started" : "")}";
        using var input = new TypedBuffer(type, elementCount, i => i + 20 * group.Rank);
        using var gathered = new TypedBuffer(type, elementCount * group.Size);
        using var inPlace = new TypedBuffer(type, elementCount * group.Size, i => i / elementCount == group.Rank ? i : 0);
        var ownPart = inPlace.AddressOf(elementCount * group.Rank);
        if (isStarted)
        {
            WaitPolling(group.StartAllGather(input.Address, gathered.Address, elementCount, type));
            WaitPolling(group.StartAllGather(ownPart, inPlace.Address, elementCount, type));
        }
        else
        {
            group.AllGather(input.Address, gathered.Address, elementCount, type);
            group.AllGather(ownPart, inPlace.Address, elementCount, type);
        }

        Expect.Elements(Sequence(gathered.ElementCount, i => i % elementCount + 20 * (i / elementCount)), gathered.Values,
            "all-gather, " + what);
        Expect.Elements(Sequence(inPlace.ElementCount, i => i), inPlace.Values, "all-gather in place, " + what);

        for (var root = 0; root < group.Size; root++)
        {
            using var data = new TypedBuffer(type, elementCount, i => i + 20 * group.Rank);
            if (isStarted)
            {
                WaitPolling(group.StartBroadcast(data.Address, elementCount, type, root));
            }
            else
            {
                group.Broadcast(data.Address, elementCount, type, root);
            }

            Expect.Elements(Sequence(elementCount, i => i + 20 * root), data.Values, $"broadcast from {root}, {what}");
        }
    }

    private static void CheckOutOfOrderWaits(ProcessGroup group)
    {
        using var first = new TypedBuffer(CollectiveDataType.Float32, 100, i => i);
        using var second = new TypedBuffer(CollectiveDataType.Int64, 3, _ => group.Rank);
        var firstWork = group.StartAllReduce(first.Address, 100, CollectiveDataType.Float32);
        var secondWork = group.StartAllReduce(second.Address, 3, CollectiveDataType.Int64, ReduceOperation.Max);
        secondWork.Wait();
        firstWork.Wait();
        firstWork.Wait();
        Expect.Equal(true, firstWork.IsCompleted, "work that was waited for twice");
        Expect.Elements(Sequence(100, i => group.Size * i), first.Values, "the work started first");
        Expect.Elements(Sequence(3, _ => group.Size - 1), second.Values, "the work started second");
    }

    private static void CheckRefusals(ProcessGroup group)
    {
        using var data = new TypedBuffer(CollectiveDataType.Float32, 1);
        Expect.Throws<ArgumentOutOfRangeException>(() => group.AllReduce(data.Address, -1, CollectiveDataType.Float32), "negative count");
        Expect.Throws<ArgumentException>(() => group.AllReduce(0, 1, CollectiveDataType.Float32), "null address");
        Expect.Throws<ArgumentOutOfRangeException>(() => group.Broadcast(data.Address, 1, CollectiveDataType.Float32, group.Size), "root");
        if (group.Size > 1)
        {
            var exception = Expect.Throws<CollectiveException>(
                () => group.ReduceScatter(data.Address, data.Address, 1, CollectiveDataType.Float32), "overlapping buffers");
            Expect.Equal(
                $"rank {group.Rank} of {group.Size}: reduce_scatter of 1 float32 (sum): input and output overlap; pass separate buffers",
                exception.Message, "text of overlapping buffers");
        }
    }

    // On a group that nothing has used yet.
    private static void CheckCounters(ProcessGroup group)
    {
        using var data = new TypedBuffer(CollectiveDataType.Float64, 10 * group.Size);
        group.AllReduce(data.Address, 10, CollectiveDataType.Float64);
        group.StartAllReduce(data.Address, 5, CollectiveDataType.Float64).Wait();
        group.AllGather(data.AddressOf(10 * group.Rank), data.Address, 10, CollectiveDataType.Float64);
        group.Barrier();

        var counted = group.Size > 1 ? 1 : 0;
        var reduced = group.Counters.Of(CollectiveOperation.AllReduce);
        Expect.Equal(2 * counted, reduced.Calls, "all-reduces counted");
        Expect.Equal(15 * 8 * counted, reduced.ByteCount, "bytes reduced");
        Expect.Equal(counted == 1, reduced.Seconds > 0, "time of reductions");
        var gathered = group.Counters.Snapshot()[(int)CollectiveOperation.AllGather];
        Expect.Equal(CollectiveOperation.AllGather, gathered.Operation, "operation of a total");
        Expect.Equal(counted, gathered.Calls, "all-gathers counted");
        Expect.Equal(10 * group.Size * 8 * counted, gathered.ByteCount, "bytes gathered");
        Expect.Equal(counted, group.Counters.Of(CollectiveOperation.Barrier).Calls, "barriers counted");
        Expect.Equal(0, group.Counters.Of(CollectiveOperation.Broadcast).Calls, "broadcasts counted");
    }

    private static void WaitPolling(CollectiveWork work)
    {
        while (!work.IsCompleted)
        {
            Thread.Yield();
        }

        work.Wait();
    }

    private static double[] Sequence(int elementCount, Func<int, double> value) => [.. Enumerable.Range(0, elementCount).Select(value)];

    private static double Reduced(int size, ReduceOperation operation, int i) => operation switch
    {
        ReduceOperation.Sum => size * i + size * (size - 1) / 2,
        ReduceOperation.Max => size - 1 + i,
        _ => i,
    };
}
