namespace KvShiftScale.Parallel.Mesh;

/// <summary>
/// How the ranks of a launch are divided: tensor-parallel groups of neighbours, which share a machine and its fast links where the
/// launcher numbers ranks machine by machine; next to each other those that share sequences; and as many of these as the ranks
/// allow, each for its share of the samples. Arithmetic alone: rank = (data * context_degree + context) * tensor_degree + tensor.
/// </summary>
public sealed record MeshLayout
{
    private MeshLayout(int worldSize, int tensorDegree, int contextDegree)
    {
        WorldSize = worldSize;
        TensorDegree = tensorDegree;
        ContextDegree = contextDegree;
    }

    /// <summary>Ranks of the launch.</summary>
    public int WorldSize { get; }

    /// <summary>Ranks that share one copy of the parameters.</summary>
    public int TensorDegree { get; }

    /// <summary>Ranks that share one sequence.</summary>
    public int ContextDegree { get; }

    /// <summary>Shares of the samples.</summary>
    public int DataDegree => WorldSize / (TensorDegree * ContextDegree);

    /// <summary>The layout of <paramref name="worldSize"/> ranks.</summary>
    /// <exception cref="MeshLayoutException">The degrees do not divide the ranks.</exception>
    public static MeshLayout Create(int worldSize, int tensorDegree, int contextDegree = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(worldSize, 1);
        if (tensorDegree < 1)
        {
            throw new MeshLayoutException($"parallel.tensor is {tensorDegree}; it has to be at least 1, which means no tensor parallelism.");
        }

        if (contextDegree < 1)
        {
            throw new MeshLayoutException($"parallel.context is {contextDegree}; it has to be at least 1, which means no context parallelism.");
        }

        if (contextDegree == 1)
        {
            return worldSize % tensorDegree == 0 ? new MeshLayout(worldSize, tensorDegree, 1) : throw Indivisible(worldSize, tensorDegree);
        }

        var product = checked(tensorDegree * contextDegree);
        return worldSize % product == 0
            ? new MeshLayout(worldSize, tensorDegree, contextDegree)
            : throw new MeshLayoutException(
                $"parallel.tensor {tensorDegree} x parallel.context {contextDegree} is {product}, but {Launched(worldSize)}, which cannot be "
                + $"divided into groups of {product}; {NearestProduct(worldSize, tensorDegree, contextDegree)} or launch "
                + $"{NearestWorld(worldSize, product)} ranks.");
    }

    /// <summary>Where a rank is.</summary>
    public MeshCoordinates CoordinatesOf(int rank)
    {
        RequireBelow(WorldSize, rank, nameof(rank));
        return new MeshCoordinates(rank / (ContextDegree * TensorDegree), rank / TensorDegree % ContextDegree, rank % TensorDegree);
    }

    /// <summary>Which rank is there.</summary>
    public int RankAt(MeshCoordinates coordinates)
    {
        RequireBelow(DataDegree, coordinates.Data, nameof(coordinates));
        RequireBelow(ContextDegree, coordinates.Context, nameof(coordinates));
        RequireBelow(TensorDegree, coordinates.Tensor, nameof(coordinates));
        return (coordinates.Data * ContextDegree + coordinates.Context) * TensorDegree + coordinates.Tensor;
    }

    /// <inheritdoc/>
    public override string ToString()
        => ContextDegree == 1
            ? $"{WorldSize} ranks: data {DataDegree} x tensor {TensorDegree}"
            : $"{WorldSize} ranks: data {DataDegree} x context {ContextDegree} x tensor {TensorDegree}";

    private static string Launched(int worldSize) => $"{worldSize} {(worldSize == 1 ? "rank was" : "ranks were")} launched";

    private static MeshLayoutException Indivisible(int worldSize, int tensorDegree)
        => new($"parallel.tensor is {tensorDegree}, but {Launched(worldSize)}, which cannot be "
            + $"divided into groups of {tensorDegree}; set parallel.tensor to {NearestDivisor(worldSize, tensorDegree)} or launch "
            + $"{NearestWorld(worldSize, tensorDegree)} ranks.");

    // The tensor degree stays where it can: changing it changes what fits into memory.
    private static string NearestProduct(int worldSize, int tensorDegree, int contextDegree)
    {
        var tensor = worldSize % tensorDegree == 0 ? tensorDegree : NearestDivisor(worldSize, tensorDegree);
        var context = NearestDivisor(worldSize / tensor, contextDegree);
        return $"set parallel.tensor to {tensor} and parallel.context to {context}";
    }

    private static int NearestDivisor(int worldSize, int wanted)
    {
        var nearest = 1;
        for (var degree = 2; degree <= worldSize; degree++)
        {
            if (worldSize % degree == 0 && Math.Abs(degree - wanted) < Math.Abs(nearest - wanted))
            {
                nearest = degree;
            }
        }

        return nearest;
    }

    private static int NearestWorld(int worldSize, int groupSize)
    {
        var below = worldSize / groupSize * groupSize;
        return below > 0 && worldSize - below <= groupSize / 2 ? below : below + groupSize;
    }

    private static void RequireBelow(int bound, int value, string name)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value, name);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(value, bound, name);
    }
}
