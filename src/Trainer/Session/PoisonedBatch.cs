using KvShiftScale.Core.Faults;
using KvShiftScale.Data.Loading;

namespace KvShiftScale.Trainer.Session;

/// <summary>Whether a test wants the loss of a micro-batch to be infinite: the first of a step, or the one that has a row.</summary>
internal static class PoisonedBatch
{
    /// <summary>Asks, which counts as the fault's one time.</summary>
    /// <param name="batch">The micro-batch.</param>
    /// <param name="isFirst">It is the first of the step.</param>
    /// <param name="step">Number of the step.</param>
    public static bool Strikes(TokenBatch batch, bool isFirst, long step)
    {
        if (!InjectedFaults.Any)
        {
            return false;
        }

        if (isFirst && InjectedFaults.Strikes("poison", "batch", step))
        {
            return true;
        }

        for (var row = 0; row < batch.Rows; row++)
        {
            if (InjectedFaults.Strikes("poison", "row", batch.FirstRow + row))
            {
                return true;
            }
        }
        return false;
    }
}
