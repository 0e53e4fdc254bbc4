using System.Runtime.ExceptionServices;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;

namespace KvShiftScale.Parallel.Gradients;

/// <summary>
/// A thread that performs blocking collectives in the order in which they were given, while the thread that gave them computes. Its groups are
/// its own, so that those of the computing thread may go on meanwhile; MPI has to allow calls from several threads at once.
/// </summary>
/// <remarks>
/// A blocking collective of MPI spins until the last rank comes, on the core that computes. So each begins with a started reduction of one
/// number, looked at once in a while: where it is done every rank has come, and what blocks then is the transfer alone. The blocking form
/// moves data two to three times as fast as the started one.
/// </remarks>
internal sealed class CommunicationThread : IDisposable
{
    // What is under way when the thread is told to end gets this long: ranks that end together finish it, a rank that failed does not wait for ever.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly object _gate = new();
    private readonly Queue<CommunicationTask> _queue = [];
    private readonly Thread _thread;
    private readonly Arrival _arrival = new();
    private ExceptionDispatchInfo? _failure;
    private volatile bool _isAwaited;
    private bool _isEnding;
    private volatile bool _isCancelled;
    private long _progress;

    public CommunicationThread()
    {
        _thread = new Thread(Work) { Name = "communication", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Something was given up or has failed half-way, which MPI still holds: its groups are not to be freed.</summary>
    public bool HasGivenUp => _isCancelled || _arrival.IsOut;

    /// <summary>Gives the thread something to do. The order has to be the same on every rank of a group.</summary>
    /// <exception cref="ObjectDisposedException">The thread was told to end: nobody would do it.</exception>
    public void Start(CommunicationTask task)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isEnding, typeof(GradientReducer));
            _failure?.Throw();
            task.IsPending = true;
            _queue.Enqueue(task);
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Returns when the task is done, at once if it was.</summary>
    /// <exception cref="CollectiveException">A collective of this task or of one before it failed.</exception>
    public void Wait(CommunicationTask task)
    {
        lock (_gate)
        {
            if (task.IsPending && _failure is null)
            {
                var begun = task.Counters.BeginWait();
                _isAwaited = true;
                Monitor.PulseAll(_gate);
                while (task.IsPending && _failure is null)
                {
                    Monitor.Wait(_gate);
                }

                _isAwaited = false;
                task.Counters.EndWait(begun);
            }
            _failure?.Throw();
        }
    }

    /// <summary>
    /// Ends the thread after what it was given, however long that takes while it gets on. What other ranks do not join within five seconds is
    /// given up, and so is, after five more, a thread inside a collective that they have left: it ends with the process, and who waits for its
    /// tasks is told.
    /// </summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_isEnding)
            {
                return;
            }

            _isEnding = true;
            Monitor.PulseAll(_gate);
        }
        if (!HasEnded())
        {
            lock (_gate)
            {
                _isCancelled = true;
                Monitor.PulseAll(_gate);
            }
            if (!_thread.Join(Patience))
            {
                Fail(new CollectiveException("communication beside the computation: other ranks did not come, and this one has ended"));
            }
        }
        if (!HasGivenUp)
        {
            _arrival.Dispose();
        }
    }

    // Returns when the thread has ended, or has not got on for as long as there is patience.
    private bool HasEnded()
    {
        while (true)
        {
            var before = Interlocked.Read(ref _progress);
            if (_thread.Join(Patience))
            {
                return true;
            }

            if (Interlocked.Read(ref _progress) == before)
            {
                return false;
            }
        }
    }

    private void Work()
    {
        try
        {
            while (Next() is { } task)
            {
                foreach (var (group, transfer) in task.Parts)
                {
                    AwaitRanks(group);
                    Interlocked.Increment(ref _progress);
                    task.Counters.BeginTransfer();
                    transfer();
                    task.Counters.EndTransfer();
                    Interlocked.Increment(ref _progress);
                }
                lock (_gate)
                {
                    task.IsPending = false;
                    Monitor.PulseAll(_gate);
                }
            }
        }
        catch (Exception exception)
        {
            // Whatever it is belongs to the step that waits for the result; here it would end the process without a word to the other ranks.
            Fail(exception);
        }
    }

    private void Fail(Exception exception)
    {
        lock (_gate)
        {
            _failure ??= ExceptionDispatchInfo.Capture(exception);
            Monitor.PulseAll(_gate);
        }
    }

    private CommunicationTask? Next()
    {
        lock (_gate)
        {
            while (_queue.Count == 0 && !_isEnding)
            {
                Monitor.Wait(_gate);
            }

            return _queue.Count == 0 ? null : _queue.Dequeue();
        }
    }

    private void AwaitRanks(ProcessGroup group)
    {
        if (group.Size == 1)
        {
            return;
        }

        _arrival.Begin(group);
        // The core belongs to the computing thread, unless that waits for this one.
        while (!_arrival.IsCompleteWithin(_isAwaited ? 1000 : 0))
        {
            // Whoever looks for the rank that others wait for has to know that this one waits, too.
            if (_isAwaited)
            {
                _arrival.MarkAwaited();
            }

            lock (_gate)
            {
                if (_isCancelled)
                {
                    throw GivenUp(group);
                }

                if (!_isAwaited)
                {
                    Monitor.Wait(_gate, millisecondsTimeout: 1);
                }
            }
        }
        _arrival.End();
        // What is transferred may be gone already.
        if (_isCancelled)
        {
            throw GivenUp(group);
        }
    }

    private static CollectiveException GivenUp(ProcessGroup group) => new($"{group}: other ranks did not come, and this one has ended");
}
