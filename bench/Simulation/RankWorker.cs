using KvShiftScale.Parallel.Collectives;

namespace KvShiftScale.Simulation;

/// <summary>A thread of a rank: the one that computes, or the one that communicates beside it.</summary>
/// <param name="rank">The rank.</param>
/// <param name="isBeside">It communicates beside the computation.</param>
internal sealed class RankWorker(int rank, bool isBeside)
{
    public int Rank => rank;

    public bool IsBeside => isBeside;

    /// <summary>Its clock, in seconds.</summary>
    public double Time { get; set; }

    /// <summary>What it does, and the place in it.</summary>
    public Operation[] Operations { get; set; } = [];

    public int Next { get; set; }

    public int StepsLeft { get; set; }

    /// <summary>It has ended all its steps.</summary>
    public bool HasEnded => StepsLeft <= 0;

    /// <summary>It is among those that go on next.</summary>
    public bool IsReady { get; set; }

    /// <summary>Pieces of computation so far.</summary>
    public long Pieces { get; set; }

    /// <summary>The call that it is in, as its ledger has it.</summary>
    public GroupLedger.Recorded Call { get; set; }

    /// <summary>The operation in which it waits for other ranks.</summary>
    public Operation? WaitsIn { get; set; }

    /// <summary>The task that it waits for.</summary>
    public TaskState? WaitsFor { get; set; }

    /// <summary>The task that it is at.</summary>
    public TaskState? Task { get; set; }

    /// <summary>Tasks that it was given, and when.</summary>
    public Queue<(TaskState Task, double Given)> Queue { get; } = [];

    public double ComputeSeconds { get; set; }

    public double TransferSeconds { get; set; }

    public double LateSeconds { get; set; }

    public double ExposedSeconds { get; set; }

    /// <summary>Begins to measure anew.</summary>
    public void ForgetSeconds() => (ComputeSeconds, TransferSeconds, LateSeconds, ExposedSeconds) = (0, 0, 0, 0);
}
