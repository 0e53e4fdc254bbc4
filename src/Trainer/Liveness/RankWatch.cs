using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using KvShiftScale.Parallel;
using KvShiftScale.Parallel.Ledger;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Liveness;

/// <summary>
/// A thread beside training, on every rank, that tells once a second where the rank is and looks after the others when it does not get on.
/// It ends a launch that stands still, with a report of who is late; it speaks for neighbours that died without a word; and it ends the
/// rank when its launcher is gone. It asks neither MPI nor the training thread for anything.
/// </summary>
internal sealed class RankWatch : IDisposable
{
    // Reading and writing large files is told slice by slice; one slice or one fsync on a slow disk may still take its time.
    private const int FilePatience = 4;

    private static readonly TimeSpan s_longestInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_answerBound = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_stackBound = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan s_endBound = TimeSpan.FromSeconds(10);

    private readonly LivenessFolder _folder;
    private readonly string _launch;
    private readonly CollectiveLedger? _ledger;
    private readonly RankAddress _own;
    private readonly IReadOnlyList<RankAddress> _ranks;
    private readonly double _bound;
    private readonly TimeSpan _interval;
    private readonly int _parent;
    private readonly PosixSignalRegistration _terminated;
    private readonly ManualResetEventSlim _stopping = new();
    private readonly Thread _thread;
    private long _progress = -1;
    private long _beatAt = Stopwatch.GetTimestamp();
    private double _stillSeconds;
    private long _lookedAt;
    private long _stalledAt;
    private long _answeredAt;

    private RankWatch(LivenessFolder folder, string launch, CollectiveLedger? ledger, RankAddress own, IReadOnlyList<RankAddress> ranks, double boundSeconds,
        bool launchedByMpi)
    {
        _folder = folder;
        _launch = launch;
        _ledger = ledger;
        _own = own;
        _ranks = ranks;
        _bound = boundSeconds;
        _interval = boundSeconds > 0 && boundSeconds / 5 < s_longestInterval.TotalSeconds ? TimeSpan.FromSeconds(boundSeconds / 5) : s_longestInterval;
        _parent = launchedByMpi ? LinuxProcess.Parent : 0;
        AppDomain.CurrentDomain.UnhandledException += TellUnhandled;
        // A launcher that sees a rank die ends the others a second after this.
        _terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, _ => TellDeaths());
        _thread = new Thread(Watch) { IsBackground = true, Name = "liveness" };
        _thread.Start();
    }

    /// <summary>Starts on all ranks of a launch. Collective.</summary>
    /// <param name="config">The run; its folder need not be there yet.</param>
    /// <param name="ranks">The ranks.</param>
    /// <param name="launchedByMpi">The parent of the process is MPI's launcher, without which the rank is to end.</param>
    public static RankWatch Start(RunConfig config, ParallelContext ranks, bool launchedByMpi)
    {
        var folder = new LivenessFolder(config.Run.Folder);
        var own = new RankAddress(ranks.World.Rank, Environment.MachineName, Environment.ProcessId);
        // Files of this launch bear its name, so that ones that a killed launch has left, or that a file server shows late, mean nothing.
        var all = ranks.World.AllGatherTexts($"{own.ProcessId} {own.Host}").Select((text, rank)
            => new RankAddress(rank, text[(text.IndexOf(' ') + 1)..], int.Parse(text[..text.IndexOf(' ')], CultureInfo.InvariantCulture)));
        // Every rank has come here, and none looks any more whether the run's folder is there.
        if (own.Rank == 0) folder.Clear();
        var launch = ranks.BroadcastText(Guid.NewGuid().ToString("N"));
        return new RankWatch(folder, launch, ranks.Ledger, own, [.. all], config.Run.StallTimeoutSeconds, launchedByMpi);
    }

    /// <summary>
    /// Keeps the last words of a rank that fails; where a collective failed, compares the ledgers of all ranks first, since the one that MPI
    /// complains to is often not the one that is wrong. For an exception filter: the others still wait, and nothing is torn down yet.
    /// </summary>
    /// <returns>False.</returns>
    public bool Hear(Exception exception)
    {
        if (FaultReport.ExitCodeOf(exception) == ExitCode.Usage)
        {
            // A run that is refused leaves nothing behind.
            _stopping.Set();
            _thread.Join(s_stackBound);
            _folder.Remove();
            return false;
        }
        LastWords.Append(_folder.Run, _own.Rank, _own.Host, _own.ProcessId, Place() + FaultReport.Describe(exception));
        if (exception is CollectiveException) Report($"A collective failed on rank {_own.Rank}: {exception.Message}.");
        // The others learn that this rank is about to end the launch, and that it has had its say.
        if (_ranks.Count > 1) LivenessFolder.Claim(_folder.DeathOf(_own.Rank), _launch);
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
        Leave();
        // The last rank finds it empty.
        _folder.RemoveIfEmpty();
    }

    private void Watch()
    {
        do
        {
            // It needs no disk.
            EndWithoutLauncher();
            try
            {
                Beat();
                TellDeaths();
                AnswerIfAsked();
                if (_bound > 0 && IsOverdue) Look();
            }
            catch (IOException)
            {
                // The disk or its server is away; that training goes on does not depend on it, and the next beat tries again.
            }
            catch (UnauthorizedAccessException)
            {
                // As above: a folder that became read-only.
            }
        }
        while (!_stopping.Wait(_interval));
    }

    private bool IsOverdue => _bound > 0 && _stillSeconds >= _bound
        * (RunProgress.Phase is RunPhase.Loading or RunPhase.Save or RunPhase.Report ? FilePatience : 1);

    private void Beat()
    {
        var now = Stopwatch.GetTimestamp();
        var progress = RunProgress.Count + (_ledger?.Changes ?? 0);
        // A process that was stopped as a whole and goes on, with its scheduler's leave, has not been stuck meanwhile.
        _stillSeconds = progress != _progress ? 0
            : _stillSeconds + Math.Min(Stopwatch.GetElapsedTime(_beatAt, now).TotalSeconds, 2 * _interval.TotalSeconds);
        _progress = progress;
        _beatAt = now;
        State(whole: false).Write(_folder.HeartbeatOf(_own.Rank));
    }

    private Heartbeat State(bool whole)
    {
        var recent = _ledger?.Recent() ?? [];
        var told = whole ? recent : recent.Where((entry, index) => entry.State == CollectiveState.Running || index == recent.Count - 1);
        return new Heartbeat(_launch, _own.Rank, _own.Host, _own.ProcessId, NameOf(RunProgress.Phase), RunProgress.Step, Math.Round(_stillSeconds, 1), IsOverdue,
            [.. (_ledger?.Positions() ?? []).Select(position => new HeartbeatPosition($"{position.Group}", position.Begun, position.Ended))],
            [.. told.Select(HeartbeatCollective.Of)]);
    }

    private void Look()
    {
        var now = Stopwatch.GetTimestamp();
        if (_lookedAt != 0 && _stalledAt == 0 && Stopwatch.GetElapsedTime(_lookedAt, now).TotalSeconds < _bound / 20) return;
        _lookedAt = now;
        if (_ranks.Any(rank => LivenessFolder.IsClaimed(_folder.DeathOf(rank.Rank), _launch)))
        {
            // That rank or the launcher ends the launch, and its words say why.
            if (_stillSeconds > _bound + s_endBound.TotalSeconds) LinuxProcess.EndNow(ExitCode.Failed);
            return;
        }
        var ranks = View();
        if (!StallAnalysis.IsStalled(ranks))
        {
            _stalledAt = 0;
            return;
        }
        if (_stalledAt == 0) _stalledAt = now;
        // Twice, in case somebody got on since its last heartbeat. The lowest rank that lives speaks; the next only if it does not.
        var before = ranks.Count(rank => !rank.IsSilent && rank.Rank < _own.Rank);
        if (Stopwatch.GetElapsedTime(_stalledAt, now) < _interval * (1 + 3 * before)) return;
        if (!Report(string.Create(CultureInfo.InvariantCulture, $"The run stands still: no progress for {_bound:0.#} s (run.stall_timeout_seconds)."))) return;
        Leave();
        LinuxProcess.EndNow(ExitCode.Failed);
    }

    // The clock of the file system is the one that all hosts share.
    private IReadOnlyList<RankView> View()
    {
        var views = new List<RankView>(_ranks.Count);
        var own = File.GetLastWriteTimeUtc(_folder.HeartbeatOf(_own.Rank));
        foreach (var (rank, _, _) in _ranks)
        {
            var path = _folder.HeartbeatOf(rank);
            if (Heartbeat.Read(path, _launch) is not { } heartbeat) continue;
            var silent = (own - File.GetLastWriteTimeUtc(path)).TotalSeconds;
            views.Add(new RankView(heartbeat, silent, silent >= Math.Max(_bound / 2, 3 * _interval.TotalSeconds)));
        }
        return views;
    }

    // Returns false when another rank has begun to.
    private bool Report(string occasion)
    {
        if (!LivenessFolder.Claim(_folder.Request, _launch))
        {
            // That rank ends the launch, or this one does when it has failed at that.
            if (Thread.CurrentThread != _thread) Thread.Sleep(s_answerBound + s_stackBound);
            return false;
        }
        var ranks = View();
        if (Thread.CurrentThread == _thread) AnswerIfAsked();
        var asked = Stopwatch.StartNew();
        while (asked.Elapsed < s_answerBound && !ranks.All(rank => rank.IsSilent || File.Exists(_folder.AnswerOf(rank.Rank)))) Thread.Sleep(50);
        ranks = [.. ranks.Select(rank => Heartbeat.Read(_folder.AnswerOf(rank.Rank), _launch) is { } answer ? rank with { Heartbeat = answer } : rank)];

        var report = new StallReport(occasion, ranks, _folder);
        Console.Error.WriteLine($"kvshift: {report.Summary()}\nkvshift: all ranks, collectives and stacks are in {_folder.Report}");
        Console.Error.Flush();
        Keep(report);
        foreach (var (view, reason) in StallAnalysis.LateOf(ranks))
        {
            LastWords.Append(_folder.Run, view.Rank, view.Heartbeat.Host, view.Heartbeat.ProcessId,
                $"phase {view.Heartbeat.Phase}, step {view.Heartbeat.Step}: it is late, says rank {_own.Rank}: {reason}");
        }
        return true;
    }

    private void Keep(StallReport report)
    {
        try
        {
            File.AppendAllText(_folder.Report, string.Create(CultureInfo.InvariantCulture, $"{DateTimeOffset.Now:yyyy-MM-dd HH:mm:ss zzz} {report.Whole()}\n"));
        }
        catch (IOException error)
        {
            // A full disk must not keep the launch from ending.
            Console.Error.WriteLine($"kvshift: {_folder.Report} cannot be written: {error.Message}\n{report.Whole()}");
        }
    }

    private void AnswerIfAsked()
    {
        if (_answeredAt != 0)
        {
            // Whoever asked was to end the launch.
            if (Stopwatch.GetElapsedTime(_answeredAt) > 4 * (s_answerBound + s_stackBound)) LinuxProcess.EndNow(ExitCode.Failed);
            return;
        }
        if (!LivenessFolder.IsClaimed(_folder.Request, _launch)) return;
        _answeredAt = Stopwatch.GetTimestamp();
        LinuxProcess.AllowTracing();
        var state = State(whole: true);
        var neighbours = View().Where(rank => rank.Heartbeat.Host == _own.Host).ToList();
        // One process reads all of a host, also those that are stopped.
        if (neighbours.Find(rank => !rank.IsSilent)?.Rank == _own.Rank)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_folder.StacksOf(_own.Rank))!);
            // An earlier launch may have left some.
            foreach (var rank in neighbours) File.Delete(_folder.StacksOf(rank.Rank));
            StackDump.Write([.. neighbours.Select(rank => (rank.Heartbeat.ProcessId, _folder.StacksOf(rank.Rank)))], s_stackBound);
        }
        state.Write(_folder.AnswerOf(_own.Rank));
    }

    // Those that end in order take their heartbeats with them.
    private void TellDeaths()
    {
        foreach (var (rank, host, process) in _ranks)
        {
            if (rank == _own.Rank || host != _own.Host || !LinuxProcess.HasEnded(process)) continue;
            if (Heartbeat.Read(_folder.HeartbeatOf(rank), _launch) is not { } last || !LivenessFolder.Claim(_folder.DeathOf(rank), _launch)) continue;
            var words = $"phase {last.Phase}, step {last.Step}: it died without a word, says rank {_own.Rank}."
                + (last.Collectives.LastOrDefault() is { } collective ? $" Its last collective was {collective}." : "");
            Console.Error.WriteLine($"kvshift: rank {rank} on {host} (process {process}), {words}");
            Console.Error.Flush();
            LastWords.Append(_folder.Run, rank, host, process, words);
        }
    }

    private void EndWithoutLauncher()
    {
        if (_parent == 0 || LinuxProcess.Parent == _parent) return;
        // The disk may be what is stuck.
        new Thread(() =>
        {
            LastWords.Append(_folder.Run, _own.Rank, _own.Host, _own.ProcessId, $"{Place()}the launcher, process {_parent}, is gone, and the rank ends");
            Leave();
            LinuxProcess.EndNow(ExitCode.Failed);
        }) { IsBackground = true, Name = "end" }.Start();
        Thread.Sleep(s_answerBound);
        LinuxProcess.EndNow(ExitCode.Failed);
    }

    private void TellUnhandled(object sender, UnhandledExceptionEventArgs unhandled)
    {
        LastWords.Append(_folder.Run, _own.Rank, _own.Host, _own.ProcessId, $"{Place()}{unhandled.ExceptionObject}");
        Leave();
    }

    private static string Place() => string.Create(CultureInfo.InvariantCulture, $"phase {NameOf(RunProgress.Phase)}, step {RunProgress.Step}: ");

    private static string NameOf(RunPhase phase) => phase.ToString().ToLowerInvariant();

    private void Leave()
    {
        try
        {
            File.Delete(_folder.HeartbeatOf(_own.Rank));
            File.Delete(_folder.AnswerOf(_own.Rank));
        }
        catch (IOException)
        {
            // What stays is cleared by the next launch.
        }
        catch (UnauthorizedAccessException)
        {
            // As above.
        }
    }
}
