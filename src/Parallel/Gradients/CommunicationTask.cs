using KvShiftScale.Parallel.Collectives;

namespace KvShiftScale.Parallel.Gradients;

/// <summary>Collectives that a <see cref="CommunicationThread"/> performs one after the other: of one bucket, in one direction.</summary>
/// <param name="parts">Each waits until all ranks of its group have come, and then transfers.</param>
/// <param name="counters">Where its time is counted.</param>
internal sealed class CommunicationTask(IReadOnlyList<(ProcessGroup Group, Action Transfer)> parts, OverlapCounters counters)
{
    /// <summary>What is to be done, in order.</summary>
    public IReadOnlyList<(ProcessGroup Group, Action Transfer)> Parts => parts;

    /// <summary>Where its time is counted.</summary>
    public OverlapCounters Counters => counters;

    /// <summary>It was given to the thread and is not done. The thread's lock guards it.</summary>
    public bool IsPending { get; set; }

    /// <summary>Does it in the caller's time.</summary>
    public void RunHere()
    {
        var begun = counters.BeginWait();
        counters.BeginTransfer();
        foreach (var (_, transfer) in parts)
        {
            transfer();
        }

        counters.EndTransfer();
        counters.EndWait(begun);
    }
}
