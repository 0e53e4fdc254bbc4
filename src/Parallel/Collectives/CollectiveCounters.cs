using System.Diagnostics;

namespace KvShiftScale.Parallel.Collectives;

/// <summary>Counts the collectives of one group. Always on: three additions a call. May be read from any thread.</summary>
public sealed class CollectiveCounters
{
    private static readonly CollectiveOperation[] Operations = Enum.GetValues<CollectiveOperation>();

    private readonly long[] _calls = new long[Operations.Length];
    private readonly long[] _byteCounts = new long[Operations.Length];
    private readonly long[] _ticks = new long[Operations.Length];

    /// <summary>The totals of every operation so far, in the order of <see cref="CollectiveOperation"/>.</summary>
    public IReadOnlyList<CollectiveTotals> Snapshot()
    {
        var totals = new CollectiveTotals[Operations.Length];
        for (var i = 0; i < totals.Length; i++)
        {
            totals[i] = Of(Operations[i]);
        }

        return totals;
    }

    /// <summary>The totals of one operation so far.</summary>
    public CollectiveTotals Of(CollectiveOperation operation)
    {
        var index = (int)operation;
        return new CollectiveTotals(operation, Interlocked.Read(ref _calls[index]), Interlocked.Read(ref _byteCounts[index]),
            (double)Interlocked.Read(ref _ticks[index]) / Stopwatch.Frequency);
    }

    /// <summary>Counts a call that began at <paramref name="started"/> (<see cref="Stopwatch.GetTimestamp"/>) and ends now.</summary>
    internal void AddCall(CollectiveOperation operation, long byteCount, long started)
    {
        Interlocked.Increment(ref _calls[(int)operation]);
        Interlocked.Add(ref _byteCounts[(int)operation], byteCount);
        AddWait(operation, started);
    }

    /// <summary>Counts time since <paramref name="started"/> to a call that is counted already.</summary>
    internal void AddWait(CollectiveOperation operation, long started)
        => Interlocked.Add(ref _ticks[(int)operation], Stopwatch.GetTimestamp() - started);
}
