using System.Diagnostics;
using KvShiftScale.Core.Progress;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Trainer.Launch;

namespace KvShiftScale.Trainer.Liveness;

/// <summary>Whether this rank gets on, and the heartbeat that says so. One thread beats; any may look.</summary>
/// <param name="launch">Name of the launch.</param>
/// <param name="own">This rank.</param>
/// <param name="ledger">Its collectives; null where there are none.</param>
/// <param name="boundSeconds">Time without progress after which it is overdue; 0: never.</param>
/// <param name="stage">Its stage of a pipeline, as reports name it; null where there is one stage.</param>
internal sealed class Pulse(string launch, RankAddress own, CollectiveLedger? ledger, double boundSeconds, string? stage)
{
    // Reading and writing large files is told slice by slice; one slice or one fsync on a slow disk may still take its time.
    private const int FilePatience = 4;

    private static readonly TimeSpan LongestInterval = TimeSpan.FromSeconds(1);

    private long _progress = -1;
    private long _beatAt = Stopwatch.GetTimestamp();

    /// <summary>Time between two beats.</summary>
    public TimeSpan Interval { get; } = boundSeconds > 0 && boundSeconds / 5 < LongestInterval.TotalSeconds
        ? TimeSpan.FromSeconds(boundSeconds / 5)
        : LongestInterval;

    /// <summary>Time without progress until the last beat.</summary>
    public double StillSeconds { get; private set; }

    /// <summary>That is longer than the phase may take.</summary>
    public bool IsOverdue => boundSeconds > 0 && StillSeconds >= AllowedSeconds;

    /// <summary>What the phase may take without progress; 0: as long as it likes.</summary>
    public double AllowedSeconds => boundSeconds * (RunProgress.Phase is RunPhase.Loading or RunPhase.Save or RunPhase.Report ? FilePatience : 1);

    /// <summary>Looks whether the rank has got on since the last time.</summary>
    public void Beat()
    {
        var now = Stopwatch.GetTimestamp();
        var progress = RunProgress.Count + (ledger?.Changes ?? 0);
        // A process that was stopped as a whole and goes on, with its scheduler's leave, has not been stuck meanwhile.
        StillSeconds = progress != _progress ? 0
            : StillSeconds + Math.Min(Stopwatch.GetElapsedTime(_beatAt, now).TotalSeconds, 2 * Interval.TotalSeconds);
        _progress = progress;
        _beatAt = now;
    }

    /// <summary>Where the rank is.</summary>
    /// <param name="whole">With all collectives that the ledger remembers; else with the open ones and the newest.</param>
    public Heartbeat Heartbeat(bool whole)
    {
        var recent = ledger?.Recent() ?? [];
        var told = whole ? recent : recent.Where((entry, index) => entry.State == CollectiveState.Running || index == recent.Count - 1);
        return new Heartbeat(launch, own.Rank, own.Host, own.ProcessId, RunProgress.PhaseName, RunProgress.Step,
            Math.Round(StillSeconds, 1), IsOverdue,
            [.. (ledger?.Positions() ?? []).Select(position => new HeartbeatPosition($"{position.Group}", position.Begun, position.Ended))],
            [.. told.Select(HeartbeatCollective.Of)])
        {
            Stage = stage,
        };
    }
}
