namespace KvShiftScale.Data.Loading;

/// <summary>
/// Rows of equal length, ready for a model: pinned buffers in row-major order, [<see cref="Rows"/>, <see cref="Context"/>]. Disposing
/// a batch gives its buffers back for another one; they must not be read afterwards.
/// </summary>
public sealed class TokenBatch : IDisposable
{
    /// <summary>A target that is no target: the loss leaves it out.</summary>
    public const int IgnoredTarget = -100;

    private readonly TokenBatchPool _pool;
    private int _isRented;

    internal TokenBatch(int rows, int context, TokenBatchPool pool)
    {
        Rows = rows;
        Context = context;
        _pool = pool;
        Inputs = Allocate(rows * context);
        Targets = Allocate(rows * context);
        Positions = Allocate(rows * context);
    }

    /// <summary>A batch without a target, for a rank that has no data and may not stay away where others wait for it.</summary>
    public static TokenBatch Blank(int rows, int context)
    {
        var batch = new TokenBatchPool(context).Rent(rows);
        Array.Clear(batch.Inputs);
        Array.Fill(batch.Targets, IgnoredTarget);
        for (var row = 0; row < rows; row++)
        {
            RowLayout.CountUp(batch.Positions.AsSpan(row * context, context));
        }

        return batch;
    }

    /// <summary>Number of rows.</summary>
    public int Rows { get; }

    /// <summary>Tokens of a row.</summary>
    public int Context { get; }

    /// <summary>Ids to read.</summary>
    public int[] Inputs { get; }

    /// <summary>Ids to predict, or <see cref="IgnoredTarget"/>.</summary>
    public int[] Targets { get; }

    /// <summary>Distance from the first token of the window that a token belongs to; 0 starts a window.</summary>
    public int[] Positions { get; }

    /// <summary>Number of the first row in the global order; the others follow it.</summary>
    public long FirstRow { get; internal set; }

    /// <summary>Number of inputs that are no padding.</summary>
    public long TokenCount { get; internal set; }

    /// <summary>Number of targets that are not <see cref="IgnoredTarget"/>.</summary>
    public long ValidTargets { get; internal set; }

    /// <summary>Gives the buffers back.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isRented, 0) == 1)
        {
            _pool.Return(this);
        }
    }

    internal void MarkRented() => _isRented = 1;

    private static int[] Allocate(int count) => GC.AllocateUninitializedArray<int>(count, pinned: true);
}
