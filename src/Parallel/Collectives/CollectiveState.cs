namespace KvShiftScale.Parallel.Collectives;

/// <summary>How far a collective has come on one rank.</summary>
public enum CollectiveState
{
    /// <summary>The caller is inside: it computes, moves data, or waits for the others.</summary>
    Running,

    /// <summary>It goes on beside the caller, which has not come to wait for it.</summary>
    Started,

    /// <summary>The caller has its result.</summary>
    Ended,
}
