namespace KvShiftScale.Parallel;

/// <summary>
/// How the ranks of a launch are divided: tensor-parallel groups of neighbours, which share a machine and its fast links where the
/// launcher numbers ranks machine by machine, and as many replicas of the model as there are such groups. Arithmetic alone.
/// </summary>
public sealed record MeshLayout
{
    private MeshLayout(int worldSize, int tensorDegree)
    {
        WorldSize = worldSize;
        TensorDegree = tensorDegree;
    }

    /// <summary>Ranks of the launch.</summary>
    public int WorldSize { get; }

    /// <summary>Ranks that share one replica of the model.</summary>
    public int TensorDegree { get; }

    /// <summary>Replicas of the model.</summary>
    public int DataDegree => WorldSize / TensorDegree;

    /// <summary>The layout of <paramref name="worldSize"/> ranks.</summary>
    /// <exception cref="MeshLayoutException"><paramref name="tensorDegree"/> does not divide the ranks.</exception>
    public static MeshLayout Create(int worldSize, int tensorDegree)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(worldSize, 1);
        if (tensorDegree < 1)
        {
            throw new MeshLayoutException($"parallel.tensor is {tensorDegree}; it has to be at least 1, which means no tensor parallelism.");
        }

        return worldSize % tensorDegree == 0 ? new MeshLayout(worldSize, tensorDegree) : throw Indivisible(worldSize, tensorDegree);
    }

    /// <summary>Where a rank is.</summary>
    public MeshCoordinates CoordinatesOf(int rank)
    {
        RequireBelow(WorldSize, rank, nameof(rank));
        return new MeshCoordinates(rank / TensorDegree, rank % TensorDegree);
    }

    /// <summary>Which rank is there.</summary>
    public int RankAt(MeshCoordinates coordinates)
    {
        RequireBelow(DataDegree, coordinates.Data, nameof(coordinates));
        RequireBelow(TensorDegree, coordinates.Tensor, nameof(coordinates));
        return coordinates.Data * TensorDegree + coordinates.Tensor;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{WorldSize} ranks: data {DataDegree} x tensor {TensorDegree}";

    private static MeshLayoutException Indivisible(int worldSize, int tensorDegree)
    {
        var nearestDegree = 1;
        for (var degree = 2; degree <= worldSize; degree++)
        {
            if (worldSize % degree == 0 && Math.Abs(degree - tensorDegree) < Math.Abs(nearestDegree - tensorDegree))
            {
                nearestDegree = degree;
            }
        }

        var below = worldSize / tensorDegree * tensorDegree;
        var nearestWorld = below > 0 && worldSize - below <= tensorDegree / 2 ? below : below + tensorDegree;
        return new MeshLayoutException(
            $"parallel.tensor is {tensorDegree}, but {worldSize} {(worldSize == 1 ? "rank was" : "ranks were")} launched, which cannot be "
            + $"divided into groups of {tensorDegree}; set parallel.tensor to {nearestDegree} or launch {nearestWorld} ranks.");
    }

    private static void RequireBelow(int bound, int value, string name)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value, name);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(value, bound, name);
    }
}
