using System.Diagnostics;

namespace KvShiftScale.Parallel.Gradients;

/// <summary>Counts the transfers of one kind and the waits for them. Two threads write, any may read.</summary>
public sealed class OverlapCounters
{
    private readonly Lock _gate = new();
    private long _transferTicks;
    private long _exposedTicks;
    private long _lateTicks;
    // Beginning of the transfer that is under way; 0: none is.
    private long _transferStart;

    /// <summary>The totals so far.</summary>
    public OverlapTotals Snapshot()
    {
        lock (_gate)
        {
            return new OverlapTotals(Seconds(TransferTicks(Stopwatch.GetTimestamp())), Seconds(_exposedTicks), Seconds(_lateTicks));
        }
    }

    internal void BeginTransfer()
    {
        lock (_gate)
        {
            _transferStart = Stopwatch.GetTimestamp();
        }
    }

    internal void EndTransfer()
    {
        lock (_gate)
        {
            (_transferTicks, _transferStart) = (TransferTicks(Stopwatch.GetTimestamp()), 0);
        }
    }

    /// <summary>The computing thread begins to wait; what is returned belongs to <see cref="EndWait"/>.</summary>
    internal (long Start, long TransferTicks) BeginWait()
    {
        lock (_gate)
        {
            var now = Stopwatch.GetTimestamp();
            return (now, TransferTicks(now));
        }
    }

    /// <summary>Ends a wait: the time in which something was transferred is exposed, the rest was spent on late ranks.</summary>
    internal void EndWait((long Start, long TransferTicks) begun)
    {
        lock (_gate)
        {
            var now = Stopwatch.GetTimestamp();
            var exposed = TransferTicks(now) - begun.TransferTicks;
            _exposedTicks += exposed;
            _lateTicks += now - begun.Start - exposed;
        }
    }

    private long TransferTicks(long now) => _transferTicks + (_transferStart == 0 ? 0 : now - _transferStart);

    private static double Seconds(long ticks) => (double)ticks / Stopwatch.Frequency;
}
