using KvShiftScale.Core.Faults;
using KvShiftScale.Core.Progress;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.Trainer.Faults;

/// <summary>Injected faults of communication.</summary>
internal static class InjectedCollectives
{
    /// <summary>
    /// Passes the point <c>collective</c> before each collective of this process, and <c>backward.collective</c> before each one within a backward
    /// pass.
    /// </summary>
    public static void Attach(ParallelContext ranks)
    {
        if (InjectedFaults.Any && ranks.Ledger is { } ledger)
        {
            ledger.Entering = number =>
            {
                InjectedFaults.Reach("collective", number);
                if (RunProgress.Phase == RunPhase.Backward)
                {
                    InjectedFaults.Reach("backward.collective");
                }
            };
        }
    }

    /// <summary>
    /// <c>mismatch@step</c>: this rank calls a barrier that the others do not, so that from then on it is one collective behind.
    /// <c>mismatch-count@step</c>: it reduces one number where the others reduce gradients.
    /// </summary>
    public static void Reach(ParallelContext ranks, long step)
    {
        if (InjectedFaults.Strikes("mismatch", "step", step))
        {
            ranks.Replicas.Barrier();
        }

        if (!InjectedFaults.Strikes("mismatch-count", "step", step))
        {
            return;
        }

        _ = ranks.Replicas.Sum(0);
    }
}
