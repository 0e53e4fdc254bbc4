namespace KvShiftScale.Data.Shards;

/// <summary>
/// Memory that decoding a row group takes beside its documents: the levels of some slots, and ids on their way to int32. Taken from a
/// process-wide store and given back, so that there are as many as threads that decode, however many shards are open.
/// </summary>
internal sealed class RowGroupBuffers
{
    /// <summary>Slots that are decoded at a time: few enough for levels and ids to stay in a core's cache until they are looked at.</summary>
    public const int Slots = 1 << 15;

    private const int LargestIdleCount = 16;

    private static readonly RowGroupBuffers?[] Idle = new RowGroupBuffers?[LargestIdleCount];

    private readonly short[] _definition = GC.AllocateUninitializedArray<short>(Slots);
    private readonly short[] _repetition = GC.AllocateUninitializedArray<short>(Slots);
    private long[]? _wide;

    /// <summary>Bytes of the buffers for ids of int32 and below.</summary>
    public static int LevelBytes => 2 * Slots * sizeof(short);

    /// <summary>Definition levels, not cleared.</summary>
    public short[] Definition => _definition;

    /// <summary>Repetition levels, not cleared.</summary>
    public short[] Repetition => _repetition;

    /// <summary>Ids of 64 bits, not cleared.</summary>
    public long[] Wide => _wide ??= GC.AllocateUninitializedArray<long>(Slots);

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

    /// <summary>Row groups of one writer differ a little; the margin keeps each slightly larger one from costing new memory.</summary>
    public static int WithMargin(int count) => (int)Math.Min(Array.MaxLength, count + (count / 8L));
}
