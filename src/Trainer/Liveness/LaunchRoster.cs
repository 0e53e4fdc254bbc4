using System.Collections.Concurrent;
using System.Globalization;
using KvShiftScale.Core;
using KvShiftScale.Core.Progress;
using KvShiftScale.Trainer.Launch;

namespace KvShiftScale.Trainer.Liveness;

/// <summary>
/// The ranks of a launch, as one of them sees the others through the files in which they tell that they live. Files bear the launch's name,
/// so that ones that a killed launch has left, or that a file server shows late, mean nothing.
/// </summary>
/// <param name="folder">The files.</param>
/// <param name="launch">Name of the launch.</param>
/// <param name="own">The rank that looks.</param>
/// <param name="ranks">All ranks.</param>
internal sealed class LaunchRoster(LivenessFolder folder, string launch, RankAddress own, IReadOnlyList<RankAddress> ranks)
{
    // Deaths that this rank has told of where it could not claim to be the one who does.
    private readonly ConcurrentDictionary<int, bool> _told = new();

    /// <summary>The files.</summary>
    public LivenessFolder Folder => folder;

    /// <summary>The rank that looks.</summary>
    public RankAddress Own => own;

    /// <summary>Where a rank runs.</summary>
    public RankAddress AddressOf(int rank) => ranks[rank];

    /// <summary>It has no others to look after.</summary>
    public bool IsAlone => ranks.Count == 1;

    /// <summary>Somebody has told of the death of a rank.</summary>
    public bool HasDeath => ranks.Any(rank => LivenessFolder.IsClaimed(folder.DeathOf(rank.Rank), launch));

    /// <summary>Somebody writes a report, and wants an answer of every rank.</summary>
    public bool IsAsked => LivenessFolder.IsClaimed(folder.Request, launch);

    /// <summary>All ranks that have a heartbeat.</summary>
    /// <param name="silentSeconds">How much older than the own one it is when the rank is taken for stopped.</param>
    public IReadOnlyList<RankView> View(double silentSeconds)
    {
        var views = new List<RankView>(ranks.Count);
        // The clock of the file system is the one that all hosts share.
        var now = File.GetLastWriteTimeUtc(folder.HeartbeatOf(own.Rank));
        foreach (var rank in ranks)
        {
            var path = folder.HeartbeatOf(rank.Rank);
            if (Heartbeat.Read(path, launch) is not { } heartbeat)
            {
                continue;
            }

            var silent = (now - File.GetLastWriteTimeUtc(path)).TotalSeconds;
            views.Add(new RankView(heartbeat, silent, silent >= silentSeconds));
        }
        return views;
    }

    /// <summary>A rank with all that its ledger remembers, once it has answered.</summary>
    public RankView WithAnswer(RankView view)
        => Heartbeat.Read(folder.AnswerOf(view.Rank), launch) is { } answer ? view with { Heartbeat = answer } : view;

    /// <summary>Asks all ranks for an answer.</summary>
    /// <returns>False when another rank has asked before.</returns>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public bool Ask() => LivenessFolder.Claim(folder.Request, launch);

    /// <summary>The others learn that this rank is about to end the launch, and that it has had its say.</summary>
    public void ClaimOwnDeath() => _ = MaySpeakFor(own.Rank);

    /// <summary>Keeps what this rank has to say at its end.</summary>
    public void KeepLastWords(string words) => LastWords.Append(folder.Run, own, $"{Place()}: {words}");

    /// <summary>Speaks for ranks whose processes this one sees and that have died without a word; those that end in order take their heartbeats with them.</summary>
    public void TellDeaths()
    {
        foreach (var rank in ranks)
        {
            if (rank.Rank == own.Rank || !own.Sees(rank) || !LinuxProcess.HasEnded(rank.ProcessId))
            {
                continue;
            }

            if (Heartbeat.Read(folder.HeartbeatOf(rank.Rank), launch) is not { } last
                || !MaySpeakFor(rank.Rank))
            {
                continue;
            }

            var words = $"phase {last.Phase}, step {last.Step}: it died without a word, says rank {own.Rank}."
                + (last.Collectives.LastOrDefault() is { } collective ? $" Its last collective was {collective}." : "");
            Console.Error.WriteLine($"kvshift: rank {rank.Rank} on {rank.Host} (process {rank.ProcessId}), {words}");
            Console.Error.Flush();
            if (RunProgress.IsBeforeTraining)
            {
                folder.Remove();
            }
            else
            {
                LastWords.Append(folder.Run, rank, words);
            }
        }
    }

    /// <summary>Takes this rank's files away.</summary>
    public void Leave()
    {
        try
        {
            File.Delete(folder.HeartbeatOf(own.Rank));
            File.Delete(folder.AnswerOf(own.Rank));
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

    private bool MaySpeakFor(int rank)
    {
        try
        {
            return LivenessFolder.Claim(folder.DeathOf(rank), launch);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Better told by several than by nobody.
            return _told.TryAdd(rank, true);
        }
    }

    private static string Place() => string.Create(CultureInfo.InvariantCulture, $"phase {RunProgress.PhaseName}, step {RunProgress.Step}");
}
