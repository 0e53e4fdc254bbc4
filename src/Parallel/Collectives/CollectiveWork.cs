namespace KvShiftScale.Parallel.Collectives;

/// <summary>
/// A collective that was started and goes on beside the caller. Its buffers belong to it until <see cref="Wait"/> has returned, which
/// has to be called once every work is started; there is no other way to let go of it.
/// </summary>
/// <remarks>
/// Most MPI libraries move a started operation only while some call into MPI is made: asking <see cref="IsCompleted"/> now and then
/// does that.
/// </remarks>
public sealed class CollectiveWork
{
    private readonly ProcessGroup? _group;
    private readonly ProcessGroup.Recorded _call;
    private nint _work;
    private bool _isAwaited;

    internal CollectiveWork(ProcessGroup group, in ProcessGroup.Recorded call, nint work)
    {
        _group = group;
        _call = call;
        _work = work;
    }

    private CollectiveWork()
    {
    }

    /// <summary>Work that was done when it was started.</summary>
    internal static CollectiveWork Done { get; } = new();

    /// <summary>Whether <see cref="Wait"/> would return at once.</summary>
    /// <exception cref="CollectiveException">The operation failed.</exception>
    public bool IsCompleted => _work == 0 || CollectivesLibrary.Test(_work);

    /// <summary>Whether it is completed now or within that time, in which the caller sleeps and the operation is moved now and then.</summary>
    /// <exception cref="CollectiveException">The operation failed.</exception>
    internal bool IsCompletedWithin(long microseconds) => _work == 0 || CollectivesLibrary.TestFor(_work, microseconds);

    /// <summary>Records that the caller waits, who asks <see cref="IsCompletedWithin"/> until it is done.</summary>
    internal void MarkAwaited()
    {
        if (_work == 0 || _isAwaited)
        {
            return;
        }

        _isAwaited = true;
        _group!.ResumeWork(_call);
    }

    /// <summary>Returns when the operation is done and its buffers belong to the caller again. A second call returns at once.</summary>
    /// <exception cref="CollectiveException">The operation failed.</exception>
    public void Wait()
    {
        if (_work == 0)
        {
            return;
        }

        var call = _group!.ResumeWork(_call);
        var work = _work;
        _work = 0;
        CollectivesLibrary.Wait(work);
        _group.EndWork(call);
    }
}
