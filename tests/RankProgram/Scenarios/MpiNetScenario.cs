using KvShiftScale.Parallel.Native;
using MPI;

namespace KvShiftScale.RankProgram.Scenarios;

/// <summary>The members of MPI.NET that are used, on any number of ranks.</summary>
internal static class MpiNetScenario
{
    public static void Run()
    {
        Expect.Equal(false, MPI.Environment.Initialized, "initialised before the start");
        string[] arguments = ["kept"];
        using (MpiNet.Start())
        {
            Expect.Equal(true, MPI.Environment.Initialized, "initialised");
            Expect.Equal(Threading.Multiple, MPI.Environment.Threading, "level of threads");
            Expect.Equal(true, MpiNet.AllowsThreads, "threads");
            var world = Communicator.world;
            Expect.Equal(world.Size, MpiNet.WorldSize, "size of the world");
            Expect.Equal(true, world.Rank >= 0 && world.Rank < world.Size, "rank in the world");
            Expect.Equal((1, 0), (Communicator.self.Size, Communicator.self.Rank), "self");
            CheckBroadcast(world);
            CheckMovedMemory(world);
            CheckErrors(world);

            // A second environment joins an MPI that is under way.
            var second = new MPI.Environment(ref arguments, Threading.Multiple);
            Expect.Equal("kept", arguments[0], "arguments");
            GC.KeepAlive(second);
        }

        Expect.Equal(true, MPI.Environment.Finalized, "ended");
        Expect.Throws<ObjectDisposedException>(() => MpiNet.Start(), "a second start");
    }

    /// <summary>Members whose functions are not there: directly, and in the initialiser of a type.</summary>
    public static void RunMissing()
    {
        using (MpiNet.Start())
        {
            ExpectMissing("MPI_Gather", () => Communicator.world.Gather(1, 0));
            ExpectMissing("MPI_Barrier", () =>
            {
                Communicator.world.Barrier();
                return 0;
            });
            ExpectMissing("MPI_Type_struct", () =>
            {
                var pair = new Pair { Number = 1, Fraction = 2 };
                Communicator.world.Broadcast(ref pair, 0);
                return 0;
            });

            // What is not there harms nothing that is.
            var number = Communicator.world.Rank + 5;
            MpiNet.Broadcast(ref number, 0);
            Expect.Equal(5, number, "a broadcast afterwards");
        }
    }

    private static void ExpectMissing<T>(string function, Func<T> call)
    {
        var exception = Expect.Throws<MpiLibraryException>(() => MpiNet.Call(call), function);
        Expect.Equal(true, exception.Message.StartsWith($"found no {function} in {MpiLibrary.MsMpiPath}, which MPI.NET calls; wanted one", StringComparison.Ordinal),
            exception.Message);
    }

    private static void CheckBroadcast(Intracommunicator world)
    {
        var last = world.Size - 1;
        var number = world.Rank * 3;
        MpiNet.Broadcast(ref number, last);
        Expect.Equal(last * 3, number, "broadcast of a number");
        byte[] bytes = [.. Enumerable.Range(0, 128).Select(i => (byte)(i + world.Rank))];
        MpiNet.Broadcast(bytes, 0);
        Expect.Equal(127 * 128 / 2, bytes.Sum(value => value), "broadcast of an array");
        // Beyond what goes in one piece.
        var large = new byte[5_000_001];
        if (world.Rank == last)
        {
            new Random(1).NextBytes(large);
        }

        MpiNet.Broadcast(large, last);
        var wanted = new byte[large.Length];
        new Random(1).NextBytes(wanted);
        Expect.Equal(true, wanted.AsSpan().SequenceEqual(large), "broadcast of a large array");
        MpiNet.Broadcast([], 0);
        var fraction = world.Rank + 0.5;
        world.Broadcast(ref fraction, 0);
        Expect.Equal(0.5, fraction, "broadcast of a float64");
    }

    // What ranks wait for arrives, though the collector moves what it is to arrive in.
    private static void CheckMovedMemory(Intracommunicator world)
    {
        const int Turns = 40;
        var root = world.Size - 1;
        for (var turn = 0; turn < Turns; turn++)
        {
            if (world.Rank == root)
            {
                Thread.Sleep(15);
            }

            var isDone = false;
            var collector = new Thread(() =>
            {
                while (!Volatile.Read(ref isDone))
                {
                    _ = new byte[1000];
                    GC.Collect(0, GCCollectionMode.Forced, blocking: true, compacting: true);
                }
            });
            collector.Start();
            // Room below, which what follows falls into when it is moved.
            _ = new byte[50_000];
            var number = world.Rank == root ? turn + 1 : -1;
            MpiNet.Broadcast(ref number, root);
            var bytes = new byte[64];
            bytes.AsSpan().Fill(world.Rank == root ? (byte)(turn + 1) : (byte)0);
            MpiNet.Broadcast(bytes, root);
            Volatile.Write(ref isDone, true);
            collector.Join();
            Expect.Equal(turn + 1, number, $"number {turn} of a broadcast beside collections");
            Expect.Equal(64 * (turn + 1), bytes.Sum(value => value), $"array {turn} of a broadcast beside collections");
        }
    }

    private static void CheckErrors(Intracommunicator world)
    {
        var exception = Expect.Throws<ArgumentException>(() => MpiNet.Broadcast([1], world.Size), "a root that there is not");
        Expect.Equal(true, exception.Message.Contains("root", StringComparison.OrdinalIgnoreCase), exception.Message);
        Expect.Equal("root", exception.ParamName, "the class of the error");
        Expect.Equal(null, MPI.Environment.TranslateErrorIntoException(0), "success as an exception");
    }

    private struct Pair
    {
        public int Number;

        public double Fraction;
    }
}
