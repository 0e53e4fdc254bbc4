using MPI;

namespace KvShiftScale.RankProgram.Scenarios;

/// <summary>The members of MPI.NET that are used, on any number of ranks.</summary>
internal static class MpiNetScenario
{
    public static void Run()
    {
        Expect.Equal(false, MPI.Environment.Initialized, "initialised before the constructor");
        string[] arguments = ["kept"];
        using (new MPI.Environment(ref arguments))
        {
            Expect.Equal(true, MPI.Environment.Initialized, "initialised");
            Expect.Equal(true, MPI.Environment.Threading >= Threading.Serialized, "level of threads");
            Expect.Equal(true, MPI.Environment.ProcessorName.Length > 0, "processor name");
            Expect.Equal("kept", arguments[0], "arguments");
            var world = Communicator.world;
            CheckGroups(world);
            CheckBroadcast(world);
            CheckReductions(world);
            CheckGathers(world);
            CheckErrors(world);

            // A second environment joins an MPI that is under way.
            var second = new MPI.Environment(ref arguments, Threading.Multiple);
            Communicator.world.Barrier();
            GC.KeepAlive(second);
        }

        Expect.Equal(true, MPI.Environment.Finalized, "ended");
        Expect.Throws<ObjectDisposedException>(() => new MPI.Environment(ref arguments), "a second start");
    }

    private static void CheckGroups(Intracommunicator world)
    {
        Expect.Equal((1, 0), (Communicator.self.Size, Communicator.self.Rank), "self");
        var half = (Intracommunicator)world.Split(world.Rank % 2, -world.Rank);
        var members = Enumerable.Range(0, world.Size).Where(rank => rank % 2 == world.Rank % 2).ToArray();
        Expect.Equal(members.Length, half.Size, "size of a split");
        Expect.Equal(members.Count(rank => rank > world.Rank), half.Rank, "rank in a split, in descending order");
        Expect.Equal(members.Sum(), half.Allreduce(world.Rank, Operation<int>.Add), "sum in a split");
        half.Dispose();
        half.Dispose();
        Expect.Throws<ObjectDisposedException>(() => _ = half.Rank, "a disposed communicator");
        Expect.Throws<ArgumentException>(() => world.Split(-1, 0), "a negative color");

        using var clone = (Intracommunicator)world.Clone();
        Expect.Equal((world.Size, world.Rank), (clone.Size, clone.Rank), "clone");
        clone.Barrier();
        world.Dispose();
        Expect.Equal(clone.Size, world.Size, "world after its disposal, which it survives");
    }

    private static void CheckBroadcast(Intracommunicator world)
    {
        var last = world.Size - 1;
        var number = world.Rank * 1.5;
        world.Broadcast(ref number, last);
        Expect.Equal(last * 1.5, number, "broadcast of a number");
        var pair = (Id: world.Rank, IsRoot: world.Rank == 0);
        world.Broadcast(ref pair, 0);
        Expect.Equal((0, true), pair, "broadcast of a struct with a bool");
        byte[] bytes = [.. Enumerable.Range(0, 128).Select(i => (byte)(i + world.Rank))];
        world.Broadcast(ref bytes, 0);
        Expect.Equal(127 * 128 / 2, bytes.Sum(value => value), "broadcast of an array");
    }

    private static void CheckReductions(Intracommunicator world)
    {
        var size = world.Size;
        var rankSum = size * (size - 1) / 2;
        Expect.Equal(rankSum, world.Allreduce(world.Rank, Operation<int>.Add), "sum of int");
        Expect.Equal(size - 1L, world.Allreduce((long)world.Rank, Operation<long>.Max), "largest long");
        Expect.Equal(0.5f, world.Allreduce(world.Rank + 0.5f, Operation<float>.Min), "smallest float");
        Expect.Equal((ushort)size, world.Allreduce((ushort)1, Operation<ushort>.Add), "sum of ushort");
        Expect.Equal((byte)size, world.Allreduce((byte)1, Operation<byte>.Add), "sum of byte, which MPI does not have");
        Expect.Equal((decimal)rankSum, world.Allreduce((decimal)world.Rank, Operation<decimal>.Add), "sum of decimal");

        // Takes the left one: the first rank's, if the order of the ranks is kept.
        Expect.Equal(7, world.Allreduce(7 + world.Rank, (x, _) => x), "a reduction of its own");
        Expect.Equal(true, world.Allreduce(world.Rank < size, (x, y) => x && y), "a conjunction");

        double[] values = [world.Rank, 1, -world.Rank];
        double[] sums = [];
        world.Allreduce(values, Operation<double>.Add, ref sums);
        Expect.Elements([rankSum, size, -rankSum], sums, "sum of an array");
        Expect.Elements([0, 1, -(size - 1)], world.Allreduce(values, Operation<double>.Min), "smallest of an array");
        world.Allreduce(values, Operation<double>.Max, ref values);
        Expect.Elements([size - 1, 1, 0], values, "largest of an array, in place");
    }

    private static void CheckGathers(Intracommunicator world)
    {
        double[] squares = [.. Enumerable.Range(0, world.Size).Select(rank => (double)rank * rank)];
        Expect.Elements(squares, world.Allgather((double)world.Rank * world.Rank), "gathered everywhere");
        var gathered = world.Gather((double)world.Rank * world.Rank, 0);
        Expect.Equal(world.Rank == 0, gathered is not null, "the root alone gathers");
        if (gathered is not null)
        {
            Expect.Elements(squares, gathered, "gathered at the root");
        }
    }

    private static void CheckErrors(Intracommunicator world)
    {
        var value = 1;
        var exception = Expect.Throws<ArgumentException>(() => world.Broadcast(ref value, world.Size), "a root that there is not");
        Expect.Equal(true, exception.Message.StartsWith("MPI_Bcast: ", StringComparison.Ordinal), exception.Message);
        Expect.Equal(true, exception.Data["MPI Error Class"] is int, "error class");
        var text = "";
        Expect.Throws<NotSupportedException>(() => world.Broadcast(ref text, 0), "a type with references");
        Expect.Equal(null, MPI.Environment.TranslateErrorIntoException(0), "success as an exception");
    }
}
