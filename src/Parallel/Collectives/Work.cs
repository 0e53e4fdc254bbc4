namespace KvShiftScale.Parallel.Collectives;

/// <summary>
/// What was started and goes on beside the caller. Its tensors belong to it until <see cref="Wait"/> has returned, which has to be called once
/// every work is started; there is no other way to let go of it.
/// </summary>
public abstract class Work
{
    /// <summary>
    /// Whether <see cref="Wait"/> would return at once. Most MPI libraries move a started operation only while some call into MPI is made: asking
    /// now and then does that.
    /// </summary>
    /// <exception cref="CollectiveException">The operation failed.</exception>
    public abstract bool IsCompleted { get; }

    /// <summary>
    /// Returns when the tensors belong to the caller again: on the host when the operation is done; on a device what the caller computes next waits.
    /// A second call returns at once.
    /// </summary>
    /// <exception cref="CollectiveException">The operation failed.</exception>
    public abstract void Wait();
}
