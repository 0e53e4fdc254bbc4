using KvShiftScale.Parallel.Collectives;

namespace KvShiftScale.Simulation;

/// <summary>What a rank does next.</summary>
internal enum OperationKind
{
    /// <summary>Computes, in its own time.</summary>
    Compute,

    /// <summary>Waits until all ranks of a group have come, and then for the transfer.</summary>
    Collective,

    /// <summary>Gives a buffer to one rank of a group.</summary>
    Send,

    /// <summary>Gets a buffer from one rank of a group.</summary>
    Receive,

    /// <summary>Gives a task to what communicates beside the computation.</summary>
    Start,

    /// <summary>Waits until a task is done; at once where it was not started since.</summary>
    Wait,
}

/// <summary>One operation of a rank's step.</summary>
/// <param name="Kind">Which.</param>
/// <param name="Seconds">How long it takes once all have come whom it needs.</param>
internal readonly record struct Operation(OperationKind Kind, double Seconds)
{
    /// <summary>Number of the group in <see cref="LaunchGroups"/>.</summary>
    public int Group { get; init; }

    /// <summary>What is asked for, as the ledger has it.</summary>
    public CollectiveCall Call { get; init; }

    /// <summary>Bytes of the whole buffer.</summary>
    public long ByteCount { get; init; }

    /// <summary>Number of the task among those of its rank.</summary>
    public int Task { get; init; }
}

/// <summary>What a rank does in one step, the same in every step.</summary>
/// <param name="Computing">Of the thread that computes.</param>
/// <param name="Tasks">Collectives of each task that may go on beside it.</param>
internal sealed record RankProgram(Operation[] Computing, Operation[][] Tasks);
