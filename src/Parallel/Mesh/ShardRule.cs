namespace KvShiftScale.Parallel.Mesh;

/// <summary>How the elements of a parameter are divided, by the name of an axis of the mesh: known before there are ranks.</summary>
public abstract record ShardRule
{
    private ShardRule()
    {
    }

    /// <summary>The axis along which ranks hold different parts.</summary>
    public string Axis { get; init; } = MeshAxis.Tensor.Name;

    /// <summary>Elements that each rank of the axis holds, padding included.</summary>
    /// <param name="shape">Shape of the whole parameter.</param>
    /// <param name="ranks">Ranks of the axis.</param>
    public abstract long HeldElements(IReadOnlyList<long> shape, int ranks);

    private static long Elements(IReadOnlyList<long> shape) => shape.Aggregate(1L, (product, size) => checked(product * size));

    /// <summary>Every rank holds all of it and uses it on the tokens that it holds outside a tensor-parallel region: a norm's weight.</summary>
    public sealed record Replicated : ShardRule
    {
        public override long HeldElements(IReadOnlyList<long> shape, int ranks) => Elements(shape);
    }

    /// <summary>Equal consecutive parts along one dimension.</summary>
    public sealed record Divided(int Dimension) : ShardRule
    {
        public override long HeldElements(IReadOnlyList<long> shape, int ranks) => Elements(shape) / ranks;
    }

    /// <summary>
    /// The first dimension belongs to key and value heads, in equal parts. Where there are fewer heads than ranks, neighbours hold the same head.
    /// </summary>
    public sealed record DividedByHead(int Heads) : ShardRule
    {
        public override long HeldElements(IReadOnlyList<long> shape, int ranks) => Elements(shape) / Math.Min(ranks, Heads);
    }

    /// <summary>A row for each token id, in equal parts of a multiple of 8 rows, of which the last ones end in padding. One rank has none.</summary>
    public sealed record DividedByVocabulary : ShardRule
    {
        private const long Multiple = 8;

        public override long HeldElements(IReadOnlyList<long> shape, int ranks) => RowsOf(shape[0], ranks) * shape[1];

        /// <summary>Rows that each rank holds.</summary>
        public static long RowsOf(long vocabulary, int ranks)
            => ranks == 1 ? vocabulary : ((vocabulary + ranks - 1) / ranks + Multiple - 1) / Multiple * Multiple;
    }
}
