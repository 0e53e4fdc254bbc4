namespace KvShiftScale.Parallel.Mesh;

/// <summary>
/// How the ranks of a launch are divided along axes. Arithmetic alone: a rank's coordinates are the digits of its number, the outermost axis first. With
/// pipeline, data, context and tensor, rank = ((pipeline * data_degree + data) * context_degree + context) * tensor_degree + tensor.
/// </summary>
public sealed class MeshLayout
{
    private readonly int[] _degrees;

    private MeshLayout(int worldSize, IReadOnlyList<MeshAxis> axes, int[] degrees) => (WorldSize, Axes, _degrees) = (worldSize, axes, degrees);

    /// <summary>Ranks of the launch.</summary>
    public int WorldSize { get; }

    /// <summary>The axes, outermost first.</summary>
    public IReadOnlyList<MeshAxis> Axes { get; }

    /// <summary>The axes along which ranks differ that hold the same part of the parameters.</summary>
    public IReadOnlyCollection<MeshAxis> ReplicaAxes => [.. Axes.Where(axis => !axis.DividesParameters)];

    /// <summary>The axes along which ranks differ that hold one copy of all parameters together.</summary>
    public IReadOnlyCollection<MeshAxis> CopyAxes => [.. Axes.Where(axis => axis.DividesParameters)];

    /// <summary>The layout of <paramref name="worldSize"/> ranks along <see cref="MeshAxis.All"/>.</summary>
    /// <exception cref="MeshLayoutException">The configured degrees do not divide the ranks.</exception>
    public static MeshLayout Create(int worldSize, ParallelConfig config) => Create(worldSize, config, MeshAxis.All);

    /// <summary>The layout along other axes.</summary>
    /// <exception cref="MeshLayoutException">The configured degrees do not divide the ranks.</exception>
    internal static MeshLayout Create(int worldSize, ParallelConfig config, IReadOnlyList<MeshAxis> axes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(worldSize, 1);
        // Innermost first.
        var configured = axes.Reverse().Where(axis => axis.Degree is not null).Select(axis => (Axis: axis, Degree: axis.Degree!(config))).ToList();
        foreach (var (axis, degree) in configured.Where(configured => configured.Degree < 1))
        {
            throw new MeshLayoutException($"parallel.{axis.Name} is {degree}; it has to be at least 1, which means no {axis.Name} parallelism.");
        }

        var groupSize = configured.Aggregate(1L, (product, axis) => checked(product * axis.Degree));
        return worldSize % groupSize == 0
            ? new MeshLayout(worldSize, axes, [.. axes.Select(axis => axis.Degree?.Invoke(config) ?? (int)(worldSize / groupSize))])
            : throw Indivisible(worldSize, groupSize, [.. configured.Where(axis => axis.Axis.IsAlwaysNamed || axis.Degree > 1)]);
    }

    /// <summary>Ranks along an axis.</summary>
    public int DegreeOf(MeshAxis axis) => Axes.Zip(_degrees).First(along => along.First == axis).Second;

    /// <summary>Where a rank is along each of <see cref="Axes"/>.</summary>
    public IReadOnlyList<int> CoordinatesOf(int rank)
    {
        RequireBelow(WorldSize, rank, nameof(rank));
        var coordinates = new int[_degrees.Length];
        for (var i = _degrees.Length - 1; i >= 0; i--)
        {
            coordinates[i] = rank % _degrees[i];
            rank /= _degrees[i];
        }

        return coordinates;
    }

    /// <summary>Where a rank is along one axis.</summary>
    public int CoordinateOf(int rank, MeshAxis axis) => PlaceAlong([axis], rank).Index;

    /// <summary>Which rank is there.</summary>
    public int RankAt(params IReadOnlyList<int> coordinates)
    {
        var rank = 0;
        for (var i = 0; i < _degrees.Length; i++)
        {
            RequireBelow(_degrees[i], coordinates[i], nameof(coordinates));
            rank = rank * _degrees[i] + coordinates[i];
        }

        return rank;
    }

    /// <summary>Of the groups of ranks that differ along some axes alone: which a rank is in, and where in it. Both count in the order of ranks.</summary>
    public (int Group, int Index) PlaceAlong(IReadOnlyCollection<MeshAxis> axes, int rank)
    {
        var coordinates = CoordinatesOf(rank);
        var (group, index) = (0, 0);
        for (var i = 0; i < _degrees.Length; i++)
        {
            if (axes.Contains(Axes[i]))
            {
                index = index * _degrees[i] + coordinates[i];
            }
            else
            {
                group = group * _degrees[i] + coordinates[i];
            }
        }

        return (group, index);
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        var degrees = Axes.Zip(_degrees).Where(along => along.First.IsAlwaysNamed || along.Second > 1).Select(along => $"{along.First.Name} {along.Second}");
        return $"{WorldSize} ranks: {string.Join(" x ", degrees)}";
    }

    // Inner degrees stay where they can: changing that of tensor parallelism changes what fits into memory.
    private static MeshLayoutException Indivisible(int worldSize, long groupSize, IReadOnlyList<(MeshAxis Axis, int Degree)> named)
    {
        var wanted = named.Count == 1
            ? $"parallel.{named[0].Axis.Name} is {groupSize}"
            : $"{string.Join(" x ", named.Select(axis => $"parallel.{axis.Axis.Name} {axis.Degree}"))} is {groupSize}";
        var left = worldSize;
        var settings = new List<string>();
        foreach (var (axis, degree) in named)
        {
            var nearest = NearestDivisor(left, degree);
            settings.Add($"parallel.{axis.Name} to {nearest}");
            left /= nearest;
        }

        return new($"{wanted}, but {worldSize} {(worldSize == 1 ? "rank was" : "ranks were")} launched, which cannot be "
            + $"divided into groups of {groupSize}; set {string.Join(" and ", settings)} or launch {NearestWorld(worldSize, groupSize)} ranks.");
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

    private static long NearestWorld(int worldSize, long groupSize)
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
