using System.Diagnostics;
using System.Runtime.InteropServices;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;

namespace KvShiftScale.Trainer.Signals;

/// <summary>
/// SIGTERM, SIGINT and SIGUSR2 (which launch/train sends, because mpirun hands it on) as a wish to stop, SIGUSR1 as a wish to save. They may
/// come to any rank at any time; the ranks agree in <see cref="Agree"/> on the moment at which all of them act. More signals change nothing.
/// </summary>
internal sealed partial class StopSignal : IDisposable
{
    // PosixSignal takes raw numbers too; these are Linux's on x86 and ARM.
    private const int SigUsr1 = 10;
    private const int SigUsr2 = 12;

    // mpirun hands a signal to every rank, and they may be in different steps when it comes: one save is enough for all of them.
    private static readonly TimeSpan SameWish = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly PosixSignalRegistration[] _registrations;
    private volatile bool _isRequested;
    private volatile bool _wantsSave;
    private long _savedAt = long.MinValue;
    private Timer? _unanswered;
    private TimeSpan _patience;
    private Action<bool>? _end;
    private Action<bool>? _tell;
    private bool _isHandedOn;

    /// <summary>Listens from now on.</summary>
    /// <param name="end">Called at a signal until <see cref="EndUnanswered"/> or <see cref="BeginWork"/> says otherwise; as theirs.</param>
    public StopSignal(Action<bool> end)
    {
        _end = end;
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
    /// <param name="world">All ranks.</param>
    /// <param name="alongside">What else ranks have to tell in the same message: each number becomes the largest of theirs.</param>
    public SignalWish Agree(ProcessGroup world, Span<long> alongside = default)
    {
        var (stop, save) = Largest(world, _isRequested, TakeSave(), alongside);
        if (save)
        {
            _savedAt = Stopwatch.GetTimestamp();
        }

        return (stop ? SignalWish.Stop : SignalWish.None) | (save ? SignalWish.Save : SignalWish.None);
    }

    /// <summary>Whether any rank was asked to stop; a wish to save waits for <see cref="Agree"/>. Collective.</summary>
    public bool AgreeToStop(ProcessGroup world) => Largest(world, _isRequested, false, []).Stop;

    /// <summary>
    /// From now on there is nothing to lose, and ranks meet in <see cref="AgreeToStop"/> now and then: a signal to stop that has not been
    /// answered there within <paramref name="patience"/>, because they read or count for long, calls <paramref name="end"/>.
    /// </summary>
    /// <param name="end">
    /// Ends the whole launch; told whether the signal is the one that launchers hand on to every rank. Called by a thread of its own.
    /// </param>
    /// <param name="patience">How long ranks have to meet.</param>
    public void EndUnanswered(Action<bool> end, TimeSpan patience)
    {
        lock (_lock)
        {
            (_end, _patience, _tell) = (end, patience, null);
            if (_isRequested)
            {
                StartPatience();
            }
        }
    }

    /// <summary>From now on there is something to lose: a signal to stop waits for <see cref="Agree"/>, and is told as soon as it has come.</summary>
    /// <param name="tell">Says that it has come; told the same as what ends a launch. Called once, by a thread of its own.</param>
    public void BeginWork(Action<bool> tell)
    {
        lock (_lock)
        {
            ForgetPatience();
            _tell = tell;
            if (_isRequested)
            {
                Tell();
            }
        }
    }

    public void Dispose()
    {
        foreach (var registration in _registrations)
        {
            registration.Dispose();
        }

        lock (_lock)
        {
            ForgetPatience();
            _tell = null;
        }
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

    private static (bool Stop, bool Save) Largest(ProcessGroup world, bool stop, bool save, Span<long> alongside)
    {
        Span<long> wishes = stackalloc long[2 + alongside.Length];
        (wishes[0], wishes[1]) = (stop ? 1 : 0, save ? 1 : 0);
        alongside.CopyTo(wishes[2..]);
        world.Max(wishes);
        wishes[2..].CopyTo(alongside);
        return (wishes[0] > 0, wishes[1] > 0);
    }

    private void RequestStop(PosixSignalContext context)
    {
        // Without this the runtime would end the process at once.
        context.Cancel = true;
        lock (_lock)
        {
            if (_isRequested)
            {
                return;
            }

            (_isRequested, _isHandedOn) = (true, (int)context.Signal == SigUsr2);
            if (_end is not null)
            {
                StartPatience();
            }
            else
            {
                Tell();
            }
        }
    }

    private void RequestSave(PosixSignalContext context)
    {
        context.Cancel = true;
        _wantsSave = true;
    }

    private void StartPatience() => _unanswered ??= new Timer(_ => EndNow(), null, _patience, Timeout.InfiniteTimeSpan);

    private void EndNow()
    {
        // Inside the lock: work cannot begin while the launch ends.
        lock (_lock)
        {
            _end?.Invoke(_isHandedOn);
        }
    }

    private void Tell()
    {
        if (Interlocked.Exchange(ref _tell, null) is { } tell)
        {
            new Thread(() => tell(_isHandedOn)) { IsBackground = true, Name = "signal" }.Start();
        }
    }

    private void ForgetPatience()
    {
        _end = null;
        _unanswered?.Dispose();
        _unanswered = null;
    }

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint SetHandler(int signal, nint handler);
}
