using KvShiftScale.Data.Loading;
using KvShiftScale.Trainer.Session;

namespace KvShiftScale.Trainer.Training;

/// <summary>
/// Micro-batches that do not end where data cannot be read: they are blank from there on, so that this rank comes to every meeting of the step in
/// which the ranks tell each other.
/// </summary>
/// <param name="batches">Where they come from.</param>
/// <param name="rows">Rows of each.</param>
/// <param name="context">Tokens of a row.</param>
internal sealed class SteadyBatches(IMicroBatches batches, int rows, int context) : IMicroBatches
{
    public int MicroBatchesPerStep => batches.MicroBatchesPerStep;

    public Exception? Fault { get; private set; }

    public TokenBatch Next()
    {
        if (Fault is null)
        {
            try
            {
                return batches.Next();
            }
            catch (Exception exception) when (DataFaultException.IsFaultOfData(exception))
            {
                Fault = exception;
            }
        }

        return TokenBatch.Blank(rows, context);
    }
}
