namespace KvShiftScale.Data.Shards;

/// <summary>
/// Memory that decoding a row group takes beside its documents: the levels of each slot, and ids on their way to int32. Taken from a
/// process-wide store and given back, so that there are as many as threads that decode, however many shards are open.
/// </summary>
internal sealed class RowGroupBuffers
{
    private const int LargestIdleCount = 16;

    private static readonly RowGroupBuffers?[] Idle = new RowGroupBuffers?[LargestIdleCount];

    private int[] _definition = [];
    private int[] _repetition = [];
    private Array? _wide;

    /// <summary>Takes idle buffers, or new ones; to be given back with <see cref="Return"/>.</summary>
    public static RowGroupBuffers Rent()
    {
        for (var i = 0; i < Idle.Length; i++)
        {
            if (Interlocked.Exchange(ref Idle[i], null) is { } buffers)
            {
                return buffers;
            }
        }

        return new RowGroupBuffers();
    }

    /// <summary>Gives the buffers to whoever decodes next.</summary>
    public void Return()
    {
        for (var i = 0; i < Idle.Length; i++)
        {
            if (Interlocked.CompareExchange(ref Idle[i], this, null) is null)
            {
                return;
            }
        }
    }

    /// <summary>Definition and repetition levels of <paramref name="slots"/> slots, not cleared.</summary>
    public (Memory<int> Definition, Memory<int> Repetition) Levels(int slots)
    {
        if (_definition.Length < slots)
        {
            var length = WithMargin(slots);
            _definition = GC.AllocateUninitializedArray<int>(length);
            _repetition = GC.AllocateUninitializedArray<int>(length);
        }

        return (_definition.AsMemory(0, slots), _repetition.AsMemory(0, slots));
    }

    /// <summary>Ids as the file has them, not cleared.</summary>
    public T[] Wide<T>(int slots)
    {
        if (_wide is T[] fitting && fitting.Length >= slots)
        {
            return fitting;
        }

        var wide = GC.AllocateUninitializedArray<T>(WithMargin(slots));
        _wide = wide;
        return wide;
    }

    /// <summary>Row groups of one writer differ a little; the margin keeps each slightly larger one from costing new memory.</summary>
    public static int WithMargin(int count) => (int)Math.Min(Array.MaxLength, count + (count / 8L));
}
