namespace KvShiftScale.Simulation;

/// <summary>Collectives that go on beside the computation, and how far they are.</summary>
/// <param name="operations">The collectives.</param>
internal sealed class TaskState(Operation[] operations)
{
    private readonly double _seconds = operations.Sum(operation => operation.Seconds);
    private double _ended;
    private bool _isTaken = true;

    /// <summary>The collectives.</summary>
    public Operation[] Operations => operations;

    /// <summary>It was given away and is not done.</summary>
    public bool IsUnderWay { get; private set; }

    /// <summary>Who waits for it.</summary>
    public RankWorker? Waiter { get; set; }

    /// <summary>It was given away.</summary>
    public void Begin() => (IsUnderWay, _isTaken) = (true, false);

    /// <summary>It is done.</summary>
    public void End(double time) => (IsUnderWay, _ended) = (false, time);

    /// <summary>Seconds that the thread which computes waits for it, the first time after it was given away.</summary>
    /// <param name="time">When that comes to it.</param>
    /// <param name="leastShare">Share of its transfers that the thread waits for at least.</param>
    public double TakeExposed(double time, double leastShare)
    {
        if (_isTaken)
        {
            return 0;
        }

        _isTaken = true;
        return Math.Max(Math.Max(0, _ended - time), leastShare * _seconds);
    }
}
