namespace KvShiftScale.Parallel.Collectives;

/// <summary>What ranks of a <see cref="ProcessGroup"/> do together.</summary>
public enum CollectiveOperation
{
    /// <summary>Everybody gets the reduction of everybody's buffer.</summary>
    AllReduce,

    /// <summary>Rank r gets the reduction of everybody's r-th part.</summary>
    ReduceScatter,

    /// <summary>Everybody gets everybody's part.</summary>
    AllGather,

    /// <summary>Everybody gets one rank's buffer.</summary>
    Broadcast,

    /// <summary>Nobody goes on before everybody has come.</summary>
    Barrier,

    /// <summary>The ranks form new groups.</summary>
    Split,

    /// <summary>One rank gives another a buffer.</summary>
    Send,

    /// <summary>One rank gets another's buffer.</summary>
    Receive,
}
