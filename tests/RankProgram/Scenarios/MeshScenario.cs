using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.RankProgram.Scenarios;

/// <summary>The mesh of a launch with tensor degree 2, and one that cannot be.</summary>
internal static class MeshScenario
{
    public static void Run()
    {
        using var context = ParallelContext.Create(new ParallelConfig { Tensor = 2 }, launchedByMpi: true);
        var rank = context.World.Rank;
        var replicas = context.World.Size / 2;
        Expect.Equal($"0 {rank / 2} 0 {rank % 2}", string.Join(' ', context.Coordinates), "coordinates");
        Expect.Equal((2, rank % 2), (context.Tensor.Size, context.Tensor.Rank), "tensor group");
        Expect.Equal((replicas, rank / 2), (context.Data.Size, context.Data.Rank), "data group");
        Expect.Equal($"data rank {rank / 2} of {replicas}", context.Data.ToString(), "text of the data group");

        // Rank r gives 10^r, so that each digit of a sum names a rank.
        var own = (long)Math.Pow(10, rank);
        Expect.Equal(11 * (long)Math.Pow(100, rank / 2), context.Tensor.Sum(own), "sum over the tensor group");
        Expect.Equal((replicas == 2 ? 101 : 1) * (long)Math.Pow(10, rank % 2), context.Data.Sum(own), "sum over the data group");

        Expect.Equal("", context.BroadcastText(""), "an empty text");
        Expect.Equal("Gewöhnlich ≠ 寻常", context.BroadcastText(rank == 0 ? "Gewöhnlich ≠ 寻常" : "not this"), "a text from rank 0");
        Expect.Equal("from 1", context.BroadcastText($"from {rank}", root: 1), "a text from rank 1");
        Expect.Equal(true, MPI.Environment.Initialized && !MPI.Environment.Finalized, "MPI under way");

        context.Dispose();
        Expect.Equal(true, MPI.Environment.Finalized, "MPI ended by the context");
    }

    /// <summary>Another axis, that only this list knows: four ranks of two stages, outermost or between.</summary>
    public static void RunAnotherAxis()
    {
        using var context = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true);
        var stage = new MeshAxis("stage", _ => 2, DividesParameters: true);
        foreach (var isOutermost in (bool[])[true, false])
        {
            List<MeshAxis> axes = [.. MeshAxis.All];
            axes.Insert(isOutermost ? 0 : 2, stage);
            using var divided = context.Divide(new ParallelConfig(), axes);
            var rank = context.World.Rank;
            var apart = isOutermost ? 2 : 1;
            Expect.Equal(isOutermost ? "4 ranks: stage 2 x data 2 x tensor 1" : "4 ranks: data 2 x stage 2 x tensor 1", $"{divided.Layout}", "text");
            var (stages, data) = (divided.Group(stage), divided.Data);
            Expect.Equal($"stage rank {rank / apart % 2} of 2", $"{stages}", "group of the stages");
            Expect.Equal($"{rank - rank / apart % 2 * apart} {rank + (1 - rank / apart % 2) * apart}", string.Join(' ', stages.Members), "ranks of the stages");
            // Where stages are apart by two, samples are by one.
            var other = 3 - apart;
            Expect.Equal($"{rank - rank / other % 2 * other} {rank + (1 - rank / other % 2) * other}", string.Join(' ', data.Members), "ranks of the samples");
            Expect.Equal(string.Join(' ', data.Members), string.Join(' ', divided.Replicas.Members), "stages hold other parameters");
            Expect.Equal((long)stages.Members.Sum(), stages.Sum((long)rank), "a sum over the stages");
            Expect.Equal((1, 1), (divided.Context.Size, divided.Tensor.Size), "the other groups");
        }

        Expect.Throws<ArgumentOutOfRangeException>(() => context.Group(stage), "an axis that the mesh has not");
    }

    /// <summary>Every rank is refused, and the job still ends in order.</summary>
    public static void RunRefused()
    {
        var exception = Expect.Throws<MeshLayoutException>(
            () => ParallelContext.Create(new ParallelConfig { Tensor = 3 }, launchedByMpi: true), "tensor degree 3 of 2 ranks");
        Expect.Equal(
            "parallel.tensor is 3, but 2 ranks were launched, which cannot be divided into groups of 3; "
            + "set parallel.tensor to 2 or launch 3 ranks.",
            exception.Message, "text of the refusal");
        Expect.Equal(true, MPI.Environment.Finalized, "MPI ended");
    }
}
