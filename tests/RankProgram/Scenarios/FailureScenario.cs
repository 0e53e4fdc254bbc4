using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.RankProgram.Scenarios;

/// <summary>Failures that MPI reports, and the end of a job that cannot go on.</summary>
internal static class FailureScenario
{
    /// <summary>Of two ranks the second expects fewer elements than the first sends.</summary>
    public static void RunMismatch()
    {
        using var context = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true);
        var rank = context.World.Rank;
        using var data = TypedTensor.Make(CollectiveDataType.Float32, rank == 0 ? 7 : 2, _ => rank);
        if (rank == 0)
        {
            context.Data.Collectives.Broadcast(data, root: 0);
        }
        else
        {
            var exception = Expect.Throws<CollectiveException>(
                () => context.Data.Collectives.Broadcast(data, root: 0), "a broadcast of 7 into 2");
            Expect.Equal(true, exception.Message.StartsWith("rank 1 of 2: broadcast of 2 float32 from rank 0: ", StringComparison.Ordinal),
                exception.Message);
            Expect.Equal(true, exception.Message.Contains("truncated", StringComparison.OrdinalIgnoreCase), exception.Message);
        }

        context.World.Barrier();
    }

    /// <summary>The last rank gives up while the others wait for it.</summary>
    public static void RunAbort()
    {
        using var context = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true);
        if (context.World.Rank == context.World.Size - 1)
        {
            context.Abort(3);
        }

        context.World.Barrier();
    }
}
