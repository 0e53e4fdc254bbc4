using System.Diagnostics;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;
using static TorchSharp.torch;

namespace KvShiftScale.RankProgram.Scenarios;

/// <summary>
/// Messages between two ranks: round a ring, both ways at once, between two while others do nothing, and where the two do not agree. Element i of
/// what rank r sends is i mod 61 + 61 r, which bfloat16 has up to rank 3.
/// </summary>
internal static class MessageScenario
{
    // In float32 1.5 MiB and some: beyond what MPI sends before anybody asks for it.
    private const int Large = 400_003;

    public static void Run() => Run(checkCollectives: false);

    /// <summary>The same while ranks compare their collectives, which messages of two ranks must not hold up.</summary>
    public static void RunChecked() => Run(checkCollectives: true);

    /// <summary>The last rank is killed while the one before waits for its message, and the others for that one.</summary>
    public static void RunDeath()
    {
        using var context = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true);
        var world = context.World;
        using var data = Made(CollectiveDataType.Float32, 5, world.Rank);
        world.Barrier();
        if (world.Rank == world.Size - 1)
        {
            Process.GetCurrentProcess().Kill();
        }

        world.Collectives.Receive(data, world.Rank + 1);
    }

    private static void Run(bool checkCollectives)
    {
        using var context = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true, checkCollectives);
        foreach (var type in Enum.GetValues<CollectiveDataType>())
        {
            foreach (var elementCount in (int[])[0, 1, 17, Large])
            {
                using var scope = NewDisposeScope();
                CheckRing(context.World, type, elementCount);
                CheckBothWays(context.World, type, elementCount);
            }
        }

        CheckPair(context);
        CheckMismatches(context.World);
        context.World.Barrier();
    }

    // Blocking, with one rank that receives before it sends.
    private static void CheckRing(ProcessGroup group, CollectiveDataType type, int elementCount)
    {
        var (own, received) = (Made(type, elementCount, group.Rank), TypedTensor.Make(type, elementCount));
        if (group.Rank > 0)
        {
            group.Collectives.Send(own, Next(group));
        }

        group.Collectives.Receive(received, Before(group));
        if (group.Rank == 0)
        {
            group.Collectives.Send(own, Next(group));
        }

        Require(received, Before(group), $"ring of {elementCount} {type}");
    }

    // Every rank starts all four before it waits, sends first: blocking sends of that length would wait for each other.
    private static void CheckBothWays(ProcessGroup group, CollectiveDataType type, int elementCount)
    {
        var own = Made(type, elementCount, group.Rank);
        var (fromBefore, fromNext) = (TypedTensor.Make(type, elementCount), TypedTensor.Make(type, elementCount));
        Work[] works =
        [
            group.Collectives.StartSend(own, Next(group)),
            group.Collectives.StartSend(own, Before(group)),
            group.Collectives.StartReceive(fromBefore, Before(group)),
            group.Collectives.StartReceive(fromNext, Next(group)),
        ];
        while (!works[3].IsCompleted)
        {
            Thread.Yield();
        }

        foreach (var work in works)
        {
            work.Wait();
            work.Wait();
            Expect.Equal(true, work.IsCompleted, "work that was waited for twice");
        }

        Require(fromBefore, Before(group), $"from the rank before, {elementCount} {type}");
        Require(fromNext, Next(group), $"from the next rank, {elementCount} {type}");
    }

    // The ledger of the two, and the other ranks' that have no part in it.
    private static void CheckPair(ParallelContext context)
    {
        var (world, ledger) = (context.World, context.Ledger!);
        using var data = Made(CollectiveDataType.Int64, 7, world.Rank);
        var before = world.Ledger.Position;
        var messages = Position(ledger, "world [0 to 1]");
        var calls = world.Ledger.Counters.Of(CollectiveOperation.Send).Calls;
        if (world.Rank > 1)
        {
            Expect.Equal(0L, messages.Begun, "messages of others");
        }
        else
        {
            var work = world.Rank == 0 ? world.Collectives.StartSend(data, 1) : world.Collectives.StartReceive(data, 0);
            Expect.Equal(CollectiveState.Started, ledger.Recent()[^1].State, "state of a message that nobody waits for");
            work.Wait();
            var entry = ledger.Recent()[^1];
            Expect.Equal(CollectiveState.Ended, entry.State, "state after the wait");
            var place = $" #{messages.Begun + 1} in world [0 to 1] at tests/RankProgram/Scenarios/MessageScenario.cs:{entry.Call.Line}";
            Expect.Equal((world.Rank == 0 ? "send of 7 int64 to its rank 1" : "receive of 7 int64 from its rank 0") + place, $"{entry}", "text of the entry");
            Expect.Equal((messages.Begun + 1, messages.Ended + 1), (Position(ledger, "world [0 to 1]").Begun, Position(ledger, "world [0 to 1]").Ended), "messages");
            Expect.Equal(calls + (world.Rank == 0 ? 1 : 0), world.Ledger.Counters.Of(CollectiveOperation.Send).Calls, "messages counted");
            Require(data, 0, "message of two ranks");
        }

        Expect.Equal(before, world.Ledger.Position, "messages are none of the group's collectives");
    }

    // Of the first two ranks, forward only. What follows is received as if nothing had been.
    private static void CheckMismatches(ProcessGroup world)
    {
        if (world.Rank > 1)
        {
            return;
        }

        using var scope = NewDisposeScope();
        Mismatch((CollectiveDataType.Int32, 2), (CollectiveDataType.Int32, 5), "receive of 5 int32 from rank 0: it sent 2 int32");
        Mismatch((CollectiveDataType.Float32, 0), (CollectiveDataType.Float32, 1), "receive of 1 float32 from rank 0: it sent 0 float32");
        Mismatch((CollectiveDataType.Float32, 5), (CollectiveDataType.Float32, 2), "receive of 2 float32 from rank 0: it sent more: ");
        Mismatch((CollectiveDataType.Float32, 3), (CollectiveDataType.Int32, 3), "receive of 3 int32 from rank 0: it sent 3 float32");
        Mismatch((CollectiveDataType.Float32, Large), (CollectiveDataType.Float32, 2), "receive of 2 float32 from rank 0: it sent more: ");
        Mismatch((CollectiveDataType.Float64, Large), (CollectiveDataType.Float64, Large + 1), $"receive of {Large + 1} float64 from rank 0: it sent {Large} float64");
        var data = Made(CollectiveDataType.Int32, 3, world.Rank);
        if (world.Rank == 0)
        {
            world.Collectives.Send(data, 1);
        }
        else
        {
            world.Collectives.Receive(data, 0);
            Require(data, 0, "a message after those that nobody wanted");
        }

        void Mismatch((CollectiveDataType Type, int Count) sent, (CollectiveDataType Type, int Count) wanted, string text)
        {
            foreach (var isStarted in (bool[])[false, true])
            {
                if (world.Rank == 0)
                {
                    world.Collectives.Send(TypedTensor.Make(sent.Type, sent.Count), 1);
                    continue;
                }

                var buffer = TypedTensor.Make(wanted.Type, wanted.Count);
                var found = Expect.Throws<CollectiveException>(
                    () =>
                    {
                        if (isStarted)
                        {
                            world.Collectives.StartReceive(buffer, 0).Wait();
                        }
                        else
                        {
                            world.Collectives.Receive(buffer, 0);
                        }
                    }, text).Message;
                Expect.Equal(true, found.StartsWith($"rank 1 of {world.Size}: {text}", StringComparison.Ordinal), found);
            }
        }
    }

    private static Tensor Made(CollectiveDataType type, int elementCount, int rank) => TypedTensor.Make(type, elementCount, i => i % 61 + 61 * rank);

    private static void Require(Tensor found, int rank, string what)
        => Expect.Elements([.. Enumerable.Range(0, (int)found.numel()).Select(i => (double)(i % 61 + 61 * rank))], found.Values(), what);

    private static GroupPosition Position(CollectiveLedger ledger, string group) => ledger.Positions().FirstOrDefault(position => $"{position.Group}" == group);

    private static int Next(ProcessGroup group) => (group.Rank + 1) % group.Size;

    private static int Before(ProcessGroup group) => (group.Rank + group.Size - 1) % group.Size;
}
