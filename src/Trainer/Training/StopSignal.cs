using System.Diagnostics;
using System.Runtime.InteropServices;
using KvShiftScale.Parallel;

namespace KvShiftScale.Trainer.Training;

/// <summary>
/// SIGTERM, SIGINT and SIGUSR2 (which launch/train sends, because mpirun hands it on) as a wish to stop, SIGUSR1 as a wish to save. They may
/// come to any rank at any time; the ranks agree in <see cref="Agree"/> on the moment at which all of them act. More signals change nothing.
/// </summary>
internal sealed partial class StopSignal : IDisposable
{
    // PosixSignal takes raw numbers too; these are Linux's on x86 and ARM.
    private const int SigUsr1 = 10;
    private const int SigUsr2 = 12;

    /// <summary>How long a launch that has nothing to lose yet may take to answer a wish to stop by itself.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    // mpirun hands a signal to every rank, and they may be in different steps when it comes: one save is enough for all of them.
    private static readonly TimeSpan SameWish = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly PosixSignalRegistration[] _registrations;
    private volatile bool _isRequested;
    private volatile bool _wantsSave;
    private long _savedAt = long.MinValue;
    private Timer? _unanswered;
    private Action? _end;

    public StopSignal()
    {
        // launch/train has ranks begin with these ignored, so that one which comes before the runtime is up does not kill them. The
        // runtime leaves alone what it finds ignored.
        _ = SetHandler(SigUsr1, 0);
        _ = SetHandler(SigUsr2, 0);
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, RequestStop),
            PosixSignalRegistration.Create(PosixSignal.SIGINT, RequestStop),
            PosixSignalRegistration.Create((PosixSignal)SigUsr2, RequestStop),
            PosixSignalRegistration.Create((PosixSignal)SigUsr1, RequestSave),
        ];
    }

    /// <summary>A signal to stop has come to this rank.</summary>
    public bool IsRequested => _isRequested;

    /// <summary>What signals to any rank have asked for since the last time; a wish to stop stays. Collective.</summary>
    public SignalWish Agree(ProcessGroup world)
    {
        var (stop, save) = Largest(world, _isRequested, TakeSave());
        if (save)
        {
            _savedAt = Stopwatch.GetTimestamp();
        }

        return (stop ? SignalWish.Stop : SignalWish.None) | (save ? SignalWish.Save : SignalWish.None);
    }

    /// <summary>Whether any rank was asked to stop; a wish to save waits for <see cref="Agree"/>. Collective.</summary>
    public bool AgreeToStop(ProcessGroup world) => Largest(world, _isRequested, false).Stop;

    /// <summary>
    /// Until the result is disposed there is nothing to lose: a signal to stop that <see cref="AgreeToStop"/> has not answered within
    /// some seconds, because ranks read or count for long, calls <paramref name="end"/>.
    /// </summary>
    /// <param name="end">Ends the whole launch. Called by a thread of its own.</param>
    public IDisposable EndUnanswered(Action end)
    {
        lock (_lock)
        {
            _end = end;
            if (_isRequested)
            {
                StartPatience();
            }
        }
        return new Answering(this);
    }

    public void Dispose()
    {
        foreach (var registration in _registrations)
        {
            registration.Dispose();
        }

        ForgetPatience();
    }

    private bool TakeSave()
    {
        if (!_wantsSave)
        {
            return false;
        }

        _wantsSave = false;
        return _savedAt == long.MinValue || Stopwatch.GetElapsedTime(_savedAt) > SameWish;
    }

    private static unsafe (bool Stop, bool Save) Largest(ProcessGroup world, bool stop, bool save)
    {
        var wishes = stackalloc long[] { stop ? 1 : 0, save ? 1 : 0 };
        world.AllReduce((nint)wishes, 2, CollectiveDataType.Int64, ReduceOperation.Max);
        return (wishes[0] > 0, wishes[1] > 0);
    }

    private void RequestStop(PosixSignalContext context)
    {
        // Without this the runtime would end the process at once.
        context.Cancel = true;
        lock (_lock)
        {
            _isRequested = true;
            if (_end is not null)
            {
                StartPatience();
            }
        }
    }

    private void RequestSave(PosixSignalContext context)
    {
        context.Cancel = true;
        _wantsSave = true;
    }

    private void StartPatience() => _unanswered ??= new Timer(_ => EndNow(), null, Patience, Timeout.InfiniteTimeSpan);

    private void EndNow()
    {
        // Inside the lock: training cannot begin while the launch ends.
        lock (_lock)
        {
            _end?.Invoke();
        }
    }

    private void ForgetPatience()
    {
        lock (_lock)
        {
            _end = null;
            _unanswered?.Dispose();
            _unanswered = null;
        }
    }

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint SetHandler(int signal, nint handler);

    private sealed class Answering(StopSignal signals) : IDisposable
    {
        public void Dispose() => signals.ForgetPatience();
    }
}
