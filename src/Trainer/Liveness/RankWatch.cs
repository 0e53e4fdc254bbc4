using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using KvShiftScale.Core;
using KvShiftScale.Core.Progress;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Launch;

namespace KvShiftScale.Trainer.Liveness;

/// <summary>
/// A thread beside training, on every rank, that tells once a second where the rank is and looks after the others when it does not get on.
/// It ends a launch that stands still, with a report of who is late; it speaks for neighbours that died without a word; and it ends the
/// rank when its launcher is gone. It asks neither MPI nor the training thread for anything.
/// </summary>
internal sealed class RankWatch : IDisposable
{
    // A rank that cannot see the others may be one that only waits, so it is given more time than one that does.
    private const int BlindPatience = 3;

    // Of the ten seconds after the bound within which a report is promised.
    private const double MostBetweenLooksSeconds = 2;

    private const char Began = '+';
    private const char Refused = '-';

    private static readonly TimeSpan EndBound = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan WordsBound = TimeSpan.FromSeconds(5);

    private readonly LaunchRoster _roster;
    private readonly Pulse _pulse;
    private readonly StallInquiry _inquiry;
    private readonly double _bound;
    private readonly double _silentSeconds;
    private readonly int _parent;
    private readonly PosixSignalRegistration _terminated;
    private readonly ManualResetEventSlim _stopping = new();
    private readonly Thread _thread;
    private long _lookedAt;
    private long _stalledAt;
    private long _blindAt;
    private string _blindness = "";

    private RankWatch(LaunchRoster roster, Pulse pulse, double boundSeconds, bool launchedByMpi)
    {
        _roster = roster;
        _pulse = pulse;
        _bound = boundSeconds;
        _silentSeconds = Math.Max(boundSeconds / 2, 3 * pulse.Interval.TotalSeconds);
        _inquiry = new StallInquiry(roster, pulse, _silentSeconds);
        _parent = launchedByMpi ? LinuxProcess.Parent : 0;
        AppDomain.CurrentDomain.UnhandledException += TellUnhandled;
        // A launcher that sees a rank die ends the others a second after this.
        _terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, _ => Attempt(_roster.TellDeaths));
        _thread = new Thread(Watch) { IsBackground = true, Name = "liveness" };
        _thread.Start();
    }

    private static string? StageOf(ParallelContext ranks)
        => ranks.Pipeline.Size == 1 ? null : string.Create(CultureInfo.InvariantCulture, $"stage {ranks.Pipeline.Rank} of {ranks.Pipeline.Size}");

    /// <summary>Takes the run's folder for this launch, and starts on all ranks of it. Collective.</summary>
    /// <param name="config">The run; its folder need not be there yet.</param>
    /// <param name="ranks">The ranks.</param>
    /// <param name="addresses">Where they run. All of them have come past any look whether the run's folder is there.</param>
    /// <param name="hold">What keeps other launches out; the first rank takes it before it touches the folder.</param>
    /// <param name="launchedByMpi">The parent of the process is MPI's launcher, without which the rank is to end.</param>
    /// <exception cref="UsageException">On all ranks: another launch of the run is at work.</exception>
    public static RankWatch Start(RunConfig config, ParallelContext ranks, IReadOnlyList<RankAddress> addresses, RunLock hold, bool launchedByMpi)
    {
        var folder = new LivenessFolder(config.Run.Folder);
        var own = addresses[ranks.World.Rank];
        var told = ranks.BroadcastText(own.Rank == 0 ? Begin(folder, hold) : "");
        if (told[0] == Refused)
        {
            throw new UsageException(told[1..]);
        }

        var bound = config.Run.StallTimeoutSeconds;
        return new RankWatch(new LaunchRoster(folder, told[1..], own, addresses), new Pulse(told[1..], own, ranks.Ledger, bound, StageOf(ranks)), bound, launchedByMpi);
    }

    // A name for the launch, or why there can be none.
    private static string Begin(LivenessFolder folder, RunLock hold)
    {
        if (hold.TryTake() is { } refusal)
        {
            return Refused + refusal;
        }

        folder.Clear();
        return Began + Guid.NewGuid().ToString("N");
    }

    /// <summary>
    /// Keeps the last words of a rank that fails; where a collective failed, compares the ledgers of all ranks first, since the one that MPI
    /// complains to is often not the one that is wrong. For an exception filter: the others still wait, and nothing is torn down yet.
    /// </summary>
    /// <returns>False.</returns>
    public bool Hear(Exception exception)
    {
        if (exception is not CollectiveException && (RunProgress.IsBeforeTraining || FaultReport.ExitCodeOf(exception) == ExitCode.Usage))
        {
            // A launch that never trained is no part of the run: standard error has its words, and the folder may be that of a good run.
            _stopping.Set();
            _thread.Join(WordsBound);
            _roster.Folder.Remove();
            return false;
        }
        _roster.KeepLastWords(FaultReport.Describe(exception));
        if (exception is CollectiveException)
        {
            _inquiry.ReportBeside($"A collective failed on rank {_roster.Own.Rank}: {exception.Message}.");
        }

        if (!_roster.IsAlone)
        {
            _roster.ClaimOwnDeath();
        }

        _stopping.Set();
        return false;
    }

    public void Dispose()
    {
        _stopping.Set();
        _thread.Join();
        _stopping.Dispose();
        _terminated.Dispose();
        AppDomain.CurrentDomain.UnhandledException -= TellUnhandled;
        _roster.Leave();
        // The last rank finds it empty.
        _roster.Folder.RemoveIfEmpty();
    }

    private void Watch()
    {
        do
        {
            // It needs no disk.
            EndWithoutLauncher();
            _pulse.Beat();
            // Each apart: a folder that cannot be written can often still be read.
            var isSeen = Attempt(() => _pulse.Heartbeat(whole: false).Write(_roster.Folder.HeartbeatOf(_roster.Own.Rank)));
            Attempt(_roster.TellDeaths);
            isSeen &= Attempt(_inquiry.AnswerIfAsked);
            if (_pulse.IsOverdue)
            {
                isSeen &= Attempt(Look);
            }

            if (isSeen)
            {
                _blindAt = 0;
            }
            else
            {
                EndBlind();
            }
        }
        while (!_stopping.Wait(_pulse.Interval));
    }

    private bool Attempt(Action action)
    {
        try
        {
            action();
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The disk or its server is away, full, or read-only; that training goes on does not depend on it, and the next beat tries again.
            _blindness = error.Message;
            return false;
        }
    }

    // Without the folder ranks learn nothing of each other. One that does not get on for much longer than it may ends the launch all the same.
    private void EndBlind()
    {
        if (_blindAt == 0)
        {
            _blindAt = Stopwatch.GetTimestamp();
        }

        var allowed = _pulse.AllowedSeconds;
        if (!_pulse.IsOverdue || _pulse.StillSeconds < BlindPatience * allowed || Stopwatch.GetElapsedTime(_blindAt).TotalSeconds < allowed)
        {
            return;
        }

        var words = string.Create(CultureInfo.InvariantCulture, $"phase {RunProgress.PhaseName}, step {RunProgress.Step}: no progress for "
            + $"{_pulse.StillSeconds:0} s, and the run's folder, by which ranks see each other, cannot be used ({_blindness}); the rank ends");
        Console.Error.WriteLine($"kvshift (rank {_roster.Own.Rank}): {words}");
        Console.Error.Flush();
        LinuxProcess.EndNow(ExitCode.Failed);
    }

    private void Look()
    {
        var now = Stopwatch.GetTimestamp();
        if (_lookedAt != 0 && _stalledAt == 0 && Stopwatch.GetElapsedTime(_lookedAt, now).TotalSeconds < Math.Min(_bound / 20, MostBetweenLooksSeconds))
        {
            return;
        }

        _lookedAt = now;
        if (_roster.HasDeath)
        {
            // That rank or the launcher ends the launch, and its words say why.
            if (_pulse.StillSeconds > _bound + EndBound.TotalSeconds)
            {
                LinuxProcess.EndNow(ExitCode.Failed);
            }

            return;
        }
        var ranks = _roster.View(_silentSeconds);
        if (!StallAnalysis.IsStalled(ranks))
        {
            _stalledAt = 0;
            return;
        }
        if (_stalledAt == 0)
        {
            _stalledAt = now;
        }
        // Twice, in case somebody got on since its last heartbeat. The lowest rank that lives speaks; the next only if it does not.
        var before = ranks.Count(rank => !rank.IsSilent && rank.Rank < _roster.Own.Rank);
        if (Stopwatch.GetElapsedTime(_stalledAt, now) < _pulse.Interval * (1 + 3 * before))
        {
            return;
        }

        var occasion = string.Create(CultureInfo.InvariantCulture,
            $"The run stands still: no progress for {_bound:0.#} s (run.stall_timeout_seconds).");
        if (!_inquiry.Report(occasion))
        {
            return;
        }

        _roster.Leave();
        LinuxProcess.EndNow(ExitCode.Failed);
    }

    private void EndWithoutLauncher()
    {
        if (_parent == 0 || LinuxProcess.Parent == _parent)
        {
            return;
        }
        // The disk may be what is stuck.
        new Thread(() =>
        {
            _roster.KeepLastWords($"the launcher, process {_parent}, is gone, and the rank ends");
            _roster.Leave();
            LinuxProcess.EndNow(ExitCode.Failed);
        })
        { IsBackground = true, Name = "end" }.Start();
        Thread.Sleep(WordsBound);
        LinuxProcess.EndNow(ExitCode.Failed);
    }

    private void TellUnhandled(object sender, UnhandledExceptionEventArgs unhandled)
    {
        _roster.KeepLastWords($"{unhandled.ExceptionObject}");
        _roster.Leave();
    }
}
