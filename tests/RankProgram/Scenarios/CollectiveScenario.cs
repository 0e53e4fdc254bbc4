using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;
using static TorchSharp.torch;

namespace KvShiftScale.RankProgram.Scenarios;

/// <summary>
/// Every operation on every type. Element i of rank r is r + i (in part p of a scattered buffer r + i + 8 p), so
/// that with n ranks the sum is n i + n (n - 1) / 2, the largest n - 1 + i and the smallest i: whole, and below 256, up to where
/// bfloat16 has every integer.
/// </summary>
internal static class CollectiveScenario
{
    public static void Run()
    {
        using var context = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true);
        using var scope = NewDisposeScope();
        var world = context.World;
        Expect.Equal(Told("OMPI_COMM_WORLD_SIZE", "PMI_SIZE"), $"{world.Size}", "ranks");
        Expect.Equal(Told("OMPI_COMM_WORLD_RANK", "PMI_RANK"), $"{world.Rank}", "rank");
        foreach (var type in Enum.GetValues<CollectiveDataType>())
        {
            foreach (var elementCount in (int[])[0, 1, 5, 17])
            {
                CheckReductions(world, type, elementCount);
                CheckMoves(world, type, elementCount);
            }
        }

        CheckArrival(world);
        CheckRefusals(world);
        world.Barrier();
        CheckCounters(context.Data);
    }

    // Of Open MPI's mpirun, or of MPICH's.
    private static string? Told(string openMpi, string mpich) => Environment.GetEnvironmentVariable(openMpi) ?? Environment.GetEnvironmentVariable(mpich);

    private static void CheckReductions(ProcessGroup group, CollectiveDataType type, int elementCount)
    {
        foreach (var operation in Enum.GetValues<ReduceOperation>())
        {
            var what = $"{operation} of {elementCount} {type}";
            var data = TypedTensor.Make(type, elementCount, i => group.Rank + i);
            var parts = TypedTensor.Make(type, elementCount * group.Size, i => group.Rank + i % elementCount + 8 * (i / elementCount));
            var own = TypedTensor.Make(type, elementCount);
            var wanted = Sequence(elementCount, i => Reduced(group.Size, operation, i + 8 * group.Rank));
            group.Collectives.AllReduce(data, operation);
            Expect.Elements(Sequence(elementCount, i => Reduced(group.Size, operation, i)), data.Values(), "all-reduce, " + what);
            group.Collectives.ReduceScatter(parts, own, operation);
            Expect.Elements(wanted, own.Values(), "reduce-scatter, " + what);
            var ownPart = parts.narrow(0, elementCount * group.Rank, elementCount);
            group.Collectives.ReduceScatter(parts, ownPart, operation);
            Expect.Elements(wanted, ownPart.Values(), "reduce-scatter in place, " + what);
        }
    }

    private static void CheckMoves(ProcessGroup group, CollectiveDataType type, int elementCount)
    {
        var what = $"{elementCount} {type}";
        var input = TypedTensor.Make(type, elementCount, i => i + 20 * group.Rank);
        var gathered = TypedTensor.Make(type, elementCount * group.Size);
        var inPlace = TypedTensor.Make(type, elementCount * group.Size, i => i / elementCount == group.Rank ? i : 0);
        group.Collectives.AllGather(input, gathered);
        group.Collectives.AllGather(inPlace.narrow(0, elementCount * group.Rank, elementCount), inPlace);
        var elements = elementCount * group.Size;
        Expect.Elements(Sequence(elements, i => i % elementCount + 20 * (i / elementCount)), gathered.Values(), "all-gather, " + what);
        Expect.Elements(Sequence(elements, i => i), inPlace.Values(), "all-gather in place, " + what);
        for (var root = 0; root < group.Size; root++)
        {
            var data = TypedTensor.Make(type, elementCount, i => i + 20 * group.Rank);
            group.Collectives.Broadcast(data, root);
            Expect.Elements(Sequence(elementCount, i => i + 20 * root), data.Values(), $"broadcast from {root}, {what}");
        }
    }

    // No rank has come while the last holds back, and collectives of the group go on beside what was started.
    private static void CheckArrival(ProcessGroup group)
    {
        if (group.Size == 1)
        {
            return;
        }

        using var arrival = new Arrival();
        for (var turn = 0; turn < 2; turn++)
        {
            var isLast = group.Rank == group.Size - 1;
            if (!isLast)
            {
                arrival.Begin(group);
                Expect.Equal(false, arrival.IsCompleteWithin(1000), "arrival before the last rank comes");
                Expect.Equal(true, arrival.IsOut, "MPI holds what was begun");
            }

            // Through files' time alone: a message of MPI would be no proof that the others had looked.
            Thread.Sleep(isLast ? 300 : 0);
            if (isLast)
            {
                arrival.Begin(group);
            }

            while (!arrival.IsCompleteWithin(1000))
            {
                arrival.MarkAwaited();
            }

            arrival.End();
            Expect.Equal(false, arrival.IsOut, "nothing is held after the end");
            group.Barrier();
        }
    }

    private static void CheckRefusals(ProcessGroup group)
    {
        var data = TypedTensor.Make(CollectiveDataType.Float32, group.Size);
        var collectives = group.Collectives;
        Expect.Throws<ArgumentException>(() => collectives.AllGather(data, data.narrow(0, 0, group.Size - 1)), "a whole that is no multiple");
        Expect.Throws<ArgumentException>(() => collectives.ReduceScatter(data, TypedTensor.Make(CollectiveDataType.Float64, 1)), "another type");
        Expect.Throws<ArgumentException>(() => collectives.AllReduce(zeros(2, ScalarType.Bool)), "a type that nobody exchanges");
        Expect.Throws<ArgumentOutOfRangeException>(() => collectives.Broadcast(data, group.Size), "root");
        Expect.Throws<ArgumentOutOfRangeException>(() => collectives.Send(data, -1), "receiver");
        var positions = group.Ledger.Positions.ToArray();
        Expect.Throws<InvalidOperationException>(() => collectives.Send(data, group.Rank), "a message to itself");
        // Nothing is recorded of what is refused.
        Expect.Equal(true, positions.SequenceEqual(group.Ledger.Positions), "no call after a message to itself");
        if (group.Size == 1)
        {
            return;
        }

        Expect.Throws<ArgumentException>(() => collectives.AllReduce(zeros(2, 3).t()), "a tensor that is not contiguous");
        var elsewhere = zeros([2, 2], ScalarType.Float32, new Device(TorchSharp.DeviceType.META));
        Expect.Throws<NotSupportedException>(() => collectives.AllReduce(elsewhere), "a tensor on a device");
        Expect.Throws<NotSupportedException>(() => group.AllGatherRows(elsewhere), "rows on a device");
        Refuse(() => collectives.ReduceScatter(data, data.narrow(0, (group.Rank + 1) % group.Size, 1)),
            "reduce_scatter of 1 float32 (sum): input and output overlap; pass separate buffers");

        void Refuse(Action call, string text)
            => Expect.Equal($"rank {group.Rank} of {group.Size}: {text}", Expect.Throws<CollectiveException>(call, text).Message, "its text");
    }

    // On a group that nothing has used yet.
    private static void CheckCounters(ProcessGroup group)
    {
        var data = TypedTensor.Make(CollectiveDataType.Float64, 10 * group.Size);
        group.Collectives.AllReduce(data.narrow(0, 0, 10));
        group.Collectives.AllReduce(data.narrow(0, 0, 5));
        group.Collectives.AllGather(data.narrow(0, 10 * group.Rank, 10), data);
        group.Barrier();

        var counted = group.Size > 1 ? 1 : 0;
        var counters = group.Ledger.Counters;
        var reduced = counters.Of(CollectiveOperation.AllReduce);
        Expect.Equal(2 * counted, reduced.Calls, "all-reduces counted");
        Expect.Equal(15 * 8 * counted, reduced.ByteCount, "bytes reduced");
        Expect.Equal(counted == 1, reduced.Seconds > 0, "time of reductions");
        var gathered = counters.Snapshot()[(int)CollectiveOperation.AllGather];
        Expect.Equal(CollectiveOperation.AllGather, gathered.Operation, "operation of a total");
        Expect.Equal(counted, gathered.Calls, "all-gathers counted");
        Expect.Equal(10 * group.Size * 8 * counted, gathered.ByteCount, "bytes gathered");
        Expect.Equal(counted, counters.Of(CollectiveOperation.Barrier).Calls, "barriers counted");
        Expect.Equal(0, counters.Of(CollectiveOperation.Broadcast).Calls, "broadcasts counted");
    }

    private static double[] Sequence(int elementCount, Func<int, double> value) => [.. Enumerable.Range(0, elementCount).Select(value)];

    private static double Reduced(int size, ReduceOperation operation, int i) => operation switch
    {
        ReduceOperation.Sum => size * i + size * (size - 1) / 2,
        ReduceOperation.Max => size - 1 + i,
        _ => i,
    };
}
