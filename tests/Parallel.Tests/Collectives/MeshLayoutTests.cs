using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.Parallel.Tests.Collectives;

public sealed class MeshLayoutTests
{
    // Eight ranks in tensor groups of four: 0 1 2 3 | 4 5 6 7.
    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(1, 0, 1)]
    [InlineData(2, 0, 2)]
    [InlineData(3, 0, 3)]
    [InlineData(4, 1, 0)]
    [InlineData(5, 1, 1)]
    [InlineData(6, 1, 2)]
    [InlineData(7, 1, 3)]
    public void Tensor_neighbours_are_adjacent(int rank, int data, int tensor)
    {
        var layout = MeshLayout.Create(worldSize: 8, new ParallelConfig { Tensor = 4 });
        Assert.Equal(2, layout.DegreeOf(MeshAxis.Data));
        Assert.Equal([0, data, 0, tensor], layout.CoordinatesOf(rank));
        Assert.Equal(rank, layout.RankAt(0, data, 0, tensor));
    }

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(6, 1, 6)]
    [InlineData(6, 2, 3)]
    [InlineData(6, 3, 2)]
    [InlineData(6, 6, 1)]
    [InlineData(1024, 8, 128)]
    public void Replicas_are_what_tensor_groups_leave(int worldSize, int tensorDegree, int dataDegree)
    {
        var layout = MeshLayout.Create(worldSize, new ParallelConfig { Tensor = tensorDegree });
        Assert.Equal(dataDegree, layout.DegreeOf(MeshAxis.Data));
        Assert.Equal([0, dataDegree - 1, 0, tensorDegree - 1], layout.CoordinatesOf(worldSize - 1));
    }

    // The nearest divisor (the smaller of two as near) and the nearest number of ranks.
    [Theory]
    [InlineData(4, 3, "set parallel.tensor to 2 or launch 3 ranks.")]
    [InlineData(12, 5, "set parallel.tensor to 4 or launch 10 ranks.")]
    [InlineData(14, 5, "set parallel.tensor to 7 or launch 15 ranks.")]
    [InlineData(7, 4, "set parallel.tensor to 1 or launch 8 ranks.")]
    [InlineData(2, 8, "set parallel.tensor to 2 or launch 8 ranks.")]
    public void A_degree_that_does_not_divide_is_refused_with_the_nearest_that_do(int worldSize, int tensorDegree, string advice)
    {
        var exception = Assert.Throws<MeshLayoutException>(() => MeshLayout.Create(worldSize, new ParallelConfig { Tensor = tensorDegree }));
        Assert.Equal(
            $"parallel.tensor is {tensorDegree}, but {worldSize} ranks were launched, which cannot be divided into groups of "
            + $"{tensorDegree}; {advice}",
            exception.Message);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-2)]
    public void A_degree_below_one_is_refused(int tensorDegree)
    {
        var exception = Assert.Throws<MeshLayoutException>(() => MeshLayout.Create(4, new ParallelConfig { Tensor = tensorDegree }));
        Assert.Equal($"parallel.tensor is {tensorDegree}; it has to be at least 1, which means no tensor parallelism.", exception.Message);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(4)]
    public void Ranks_outside_the_launch_have_no_coordinates(int rank)
        => Assert.Throws<ArgumentOutOfRangeException>(() => MeshLayout.Create(4, new ParallelConfig { Tensor = 2 }).CoordinatesOf(rank));

    [Theory]
    [InlineData(2, 0)]
    [InlineData(0, 2)]
    [InlineData(-1, 1)]
    public void Coordinates_outside_the_mesh_have_no_rank(int data, int tensor)
        => Assert.Throws<ArgumentOutOfRangeException>(() => MeshLayout.Create(4, new ParallelConfig { Tensor = 2 }).RankAt(0, data, 0, tensor));

    [Theory]
    [InlineData(8, 1, 3, "parallel.tensor 1 x parallel.context 3 is 3, but 8 ranks were launched, which cannot be divided into groups of 3; "
        + "set parallel.tensor to 1 and parallel.context to 2 or launch 9 ranks.")]
    [InlineData(12, 5, 2, "parallel.tensor 5 x parallel.context 2 is 10, but 12 ranks were launched, which cannot be divided into groups of 10; "
        + "set parallel.tensor to 4 and parallel.context to 1 or launch 10 ranks.")]
    [InlineData(1, 2, 2, "parallel.tensor 2 x parallel.context 2 is 4, but 1 rank was launched, which cannot be divided into groups of 4; "
        + "set parallel.tensor to 1 and parallel.context to 1 or launch 4 ranks.")]
    [InlineData(4, 2, 0, "parallel.context is 0; it has to be at least 1, which means no context parallelism.")]
    public void Two_degrees_that_do_not_divide_are_refused_together(int worldSize, int tensorDegree, int contextDegree, string text)
    {
        var config = new ParallelConfig { Tensor = tensorDegree, Context = contextDegree };
        Assert.Equal(text, Assert.Throws<MeshLayoutException>(() => MeshLayout.Create(worldSize, config)).Message);
    }

    [Theory]
    [InlineData(1, 1, "8 ranks: data 8 x tensor 1")]
    [InlineData(2, 1, "8 ranks: data 4 x tensor 2")]
    [InlineData(2, 2, "8 ranks: data 2 x context 2 x tensor 2")]
    [InlineData(1, 8, "8 ranks: data 1 x context 8 x tensor 1")]
    public void A_layout_tells_its_degrees(int tensorDegree, int contextDegree, string text)
        => Assert.Equal(text, $"{MeshLayout.Create(8, new ParallelConfig { Tensor = tensorDegree, Context = contextDegree })}");

    // Stages are whole blocks of ranks, whose replicas are neighbours: 0 to 3 and 4 to 7.
    [Fact]
    public void Stages_of_a_pipeline_are_outermost()
    {
        var layout = MeshLayout.Create(worldSize: 8, new ParallelConfig { Pipeline = 2, Tensor = 2 });

        Assert.Equal("8 ranks: pipeline 2 x data 2 x tensor 2", $"{layout}");
        Assert.Equal([1, 0, 0, 1], layout.CoordinatesOf(5));
        Assert.Equal([1, 5], Members(layout, 5, MeshAxis.Pipeline));
        Assert.Equal([5, 7], Members(layout, 5, MeshAxis.Data));
        Assert.Equal([0, 1, 4, 5], Members(layout, 5, MeshAxis.Pipeline, MeshAxis.Tensor));
        var refused = Assert.Throws<MeshLayoutException>(() => MeshLayout.Create(4, new ParallelConfig { Pipeline = 3 }));
        Assert.Equal("parallel.tensor 1 x parallel.pipeline 3 is 3, but 4 ranks were launched, which cannot be divided into groups of 3; "
            + "set parallel.tensor to 1 and parallel.pipeline to 2 or launch 3 ranks.", refused.Message);
    }

    // Outermost, and between two that there are.
    [Theory]
    [InlineData(0, "24 ranks: stage 3 x data 2 x context 2 x tensor 2")]
    [InlineData(3, "24 ranks: data 2 x context 2 x stage 3 x tensor 2")]
    public void Another_axis_is_an_entry_of_the_list(int place, string text)
    {
        var stage = new MeshAxis("stage", _ => 3, DividesParameters: true);
        List<MeshAxis> axes = [.. MeshAxis.All];
        axes.Insert(place, stage);
        var layout = MeshLayout.Create(24, new ParallelConfig { Tensor = 2, Context = 2 }, axes);

        Assert.Equal(text, $"{layout}");
        Assert.Equal(3, layout.DegreeOf(stage));
        Assert.Equal(2, layout.DegreeOf(MeshAxis.Data));
        foreach (var rank in Enumerable.Range(0, 24))
        {
            Assert.Equal(rank, layout.RankAt(layout.CoordinatesOf(rank)));
        }

        // Neighbours along an axis are as many ranks apart as the axes within it have together.
        var last = layout.CoordinatesOf(23);
        Assert.Equal([.. axes.Select(axis => layout.DegreeOf(axis) - 1)], last);
        Assert.Equal(place == 0 ? [1, 9, 17] : [1, 3, 5], Members(layout, 1, stage));
        Assert.Equal(place == 0 ? [0, 4] : [0, 12], Members(layout, 0, MeshAxis.Data));
        Assert.Equal(place == 0 ? [8, 10, 12, 14] : [2, 8, 14, 20], Members(layout, place == 0 ? 8 : 2, MeshAxis.Data, MeshAxis.Context));
        Assert.Equal(place == 0 ? [0, 1, 8, 9, 16, 17] : [0, 1, 2, 3, 4, 5], Members(layout, 0, stage, MeshAxis.Tensor));

        var refused = Assert.Throws<MeshLayoutException>(() => MeshLayout.Create(8, new ParallelConfig(), axes));
        Assert.Equal("parallel.tensor 1 x parallel.stage 3 is 3, but 8 ranks were launched, which cannot be divided into groups of 3; "
            + "set parallel.tensor to 1 and parallel.stage to 2 or launch 9 ranks.", refused.Message);
    }

    // Those that share a rank's group, in the order of their places in it.
    private static int[] Members(MeshLayout layout, int rank, params MeshAxis[] axes)
        => [.. Enumerable.Range(0, layout.WorldSize).Where(other => layout.PlaceAlong(axes, other).Group == layout.PlaceAlong(axes, rank).Group)
            .OrderBy(other => layout.PlaceAlong(axes, other).Index)];
}
