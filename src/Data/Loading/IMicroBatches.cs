namespace KvShiftScale.Data.Loading;

/// <summary>Micro-batches without end, a fixed number of them to an optimizer step.</summary>
public interface IMicroBatches
{
    /// <summary>Calls of <see cref="Next"/> that make one step.</summary>
    int MicroBatchesPerStep { get; }

    /// <summary>The next micro-batch; the caller disposes it.</summary>
    TokenBatch Next();

    /// <summary>Why batches are blank from one of them on; null as long as they are what they should be.</summary>
    Exception? Fault => null;
}
