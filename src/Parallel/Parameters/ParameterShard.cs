using KvShiftScale.Parallel.Collectives;

namespace KvShiftScale.Parallel.Parameters;

/// <summary>
/// Which part of a parameter this rank holds, and what its gradient lacks after backward. A rank holds consecutive indices along one
/// axis, or all of the parameter.
/// </summary>
public sealed record ParameterShard
{
    private ParameterShard(IReadOnlyList<long> globalShape, int axis, long start, long extent)
    {
        GlobalShape = globalShape;
        Axis = axis;
        Start = start;
        Extent = extent;
        Shape = [.. globalShape.Select((size, i) => i == axis ? extent : size)];
    }

    /// <summary>Shape of the whole parameter, without padding.</summary>
    public IReadOnlyList<long> GlobalShape { get; }

    /// <summary>Shape of what this rank holds.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>The axis that is divided; meaningless where the rank holds everything.</summary>
    public int Axis { get; }

    /// <summary>First index along <see cref="Axis"/>.</summary>
    public long Start { get; }

    /// <summary>Indices held along <see cref="Axis"/>. Those at or beyond the global extent are padding: zero, and without gradient.</summary>
    public long Extent { get; }

    /// <summary>Indices held that are not padding.</summary>
    public long ValidExtent => Math.Clamp(GlobalShape[Axis] - Start, 0, Extent);

    /// <summary>Elements held, padding included.</summary>
    public long ElementCount => Shape.Aggregate(1L, (product, size) => checked(product * size));

    /// <summary>
    /// The ranks over which gradients of this part have to be summed before any other reduction, because each saw some of its uses:
    /// tokens of a sequence-parallel region, query heads of a KV head that several ranks hold, or one end of a pipeline with a tied embedding. Null: the gradient is whole.
    /// </summary>
    public ProcessGroup? PartialOver { get; init; }

    /// <summary>Of several ranks of one copy of the model that hold the same part, this one's counts in norms and is saved.</summary>
    public bool IsPrimary { get; init; } = true;

    /// <summary>The whole parameter.</summary>
    public static ParameterShard Whole(params IReadOnlyList<long> shape)
        => shape.Count == 0 || shape.Any(size => size <= 0)
            ? throw new ArgumentOutOfRangeException(nameof(shape), string.Join(" x ", shape), "A parameter has one axis or more, none of them empty.")
            : new ParameterShard(shape, 0, 0, shape[0]);

    /// <summary>Indices <paramref name="start"/> to <paramref name="start"/> + <paramref name="extent"/> of one axis.</summary>
    public static ParameterShard Part(IReadOnlyList<long> globalShape, int axis, long start, long extent)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(extent);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(axis, globalShape.Count);
        return new ParameterShard(globalShape, axis, start, extent);
    }

    /// <summary>
    /// The runs of consecutive elements of this part: where each lies in the part and in the whole parameter, both row-major. Padding
    /// is in none.
    /// </summary>
    public IEnumerable<(long Local, long Global, long Length)> Runs()
    {
        var inner = 1L;
        for (var i = Axis + 1; i < GlobalShape.Count; i++)
        {
            inner *= GlobalShape[i];
        }

        var outer = 1L;
        for (var i = 0; i < Axis; i++)
        {
            outer *= GlobalShape[i];
        }

        if (ValidExtent == 0)
        {
            yield break;
        }

        for (var o = 0L; o < outer; o++)
        {
            yield return (o * Extent * inner, (o * GlobalShape[Axis] + Start) * inner, ValidExtent * inner);
        }
    }

    /// <summary>
    /// The same for consecutive elements of this part: each piece is packed from an element of the part on. Padding is in none.
    /// </summary>
    /// <param name="first">First element, counted in the part.</param>
    /// <param name="count">Elements of the part.</param>
    public IEnumerable<(long Local, ElementRuns Global)> RunsOf(long first, long count)
    {
        var inner = 1L;
        for (var i = Axis + 1; i < GlobalShape.Count; i++)
        {
            inner *= GlobalShape[i];
        }

        var (width, valid, globalWidth) = (Extent * inner, ValidExtent * inner, GlobalShape[Axis] * inner);
        if (valid < width)
        {
            foreach (var (local, global, length) in Runs())
            {
                var (begin, end) = (Math.Max(local, first), Math.Min(local + length, first + count));
                if (begin < end)
                {
                    yield return (begin, ElementRuns.Consecutive(global + begin - local, end - begin));
                }
            }
            yield break;
        }
        var all = width == globalWidth ? ElementRuns.Consecutive(0, ElementCount) : new ElementRuns(Start * inner, width, globalWidth, ElementCount / width);
        foreach (var runs in all.Part(first, count))
        {
            yield return (first, runs);
            first += runs.ElementCount;
        }
    }
}
