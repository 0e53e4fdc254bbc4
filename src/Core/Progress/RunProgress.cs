namespace KvShiftScale.Core.Progress;

/// <summary>
/// Where the run of this process is: one run a process, so one place for all that works on it. Telling costs an addition; whoever works for
/// longer than seconds without a collective tells now and then, so that it is not taken for stuck.
/// </summary>
public static class RunProgress
{
    private static int CurrentPhase;
    private static long CurrentStep;
    private static long CurrentCount;

    /// <summary>What the run does.</summary>
    public static RunPhase Phase => (RunPhase)Volatile.Read(ref CurrentPhase);

    /// <summary>The same as a heartbeat has it.</summary>
    public static string PhaseName => Phase.ToString().ToLowerInvariant();

    /// <summary>Nothing has been trained or validated yet in this launch.</summary>
    public static bool IsBeforeTraining => Phase == RunPhase.Loading;

    /// <summary>The step that it is in; before the first, 0.</summary>
    public static long Step => Interlocked.Read(ref CurrentStep);

    /// <summary>Grows with every sign of progress.</summary>
    public static long Count => Interlocked.Read(ref CurrentCount);

    /// <summary>A step has begun; its batch comes first.</summary>
    public static void BeginStep(long step)
    {
        Interlocked.Exchange(ref CurrentStep, step);
        Enter(RunPhase.Data);
    }

    /// <summary>Something else is being done from now on.</summary>
    public static void Enter(RunPhase phase)
    {
        Volatile.Write(ref CurrentPhase, (int)phase);
        Advance();
    }

    /// <summary>Something is done: a slice is written, a tensor read, a batch evaluated.</summary>
    public static void Advance() => Interlocked.Increment(ref CurrentCount);
}
