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
        var layout = MeshLayout.Create(worldSize: 8, tensorDegree: 4);
        Assert.Equal(2, layout.DataDegree);
        Assert.Equal(new MeshCoordinates(data, 0, tensor), layout.CoordinatesOf(rank));
        Assert.Equal(rank, layout.RankAt(new MeshCoordinates(data, 0, tensor)));
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
        var layout = MeshLayout.Create(worldSize, tensorDegree);
        Assert.Equal(dataDegree, layout.DataDegree);
        Assert.Equal(new MeshCoordinates(dataDegree - 1, 0, tensorDegree - 1), layout.CoordinatesOf(worldSize - 1));
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
        var exception = Assert.Throws<MeshLayoutException>(() => MeshLayout.Create(worldSize, tensorDegree));
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
        var exception = Assert.Throws<MeshLayoutException>(() => MeshLayout.Create(4, tensorDegree));
        Assert.Equal($"parallel.tensor is {tensorDegree}; it has to be at least 1, which means no tensor parallelism.", exception.Message);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(4)]
    public void Ranks_outside_the_launch_have_no_coordinates(int rank)
        => Assert.Throws<ArgumentOutOfRangeException>(() => MeshLayout.Create(4, 2).CoordinatesOf(rank));

    [Theory]
    [InlineData(2, 0)]
    [InlineData(0, 2)]
    [InlineData(-1, 1)]
    public void Coordinates_outside_the_mesh_have_no_rank(int data, int tensor)
        => Assert.Throws<ArgumentOutOfRangeException>(() => MeshLayout.Create(4, 2).RankAt(new MeshCoordinates(data, 0, tensor)));
}
