using System.Diagnostics;
using System.Globalization;
using KvShiftScale.Core;
using KvShiftScale.Core.Faults;

namespace KvShiftScale.Trainer.Liveness;

/// <summary>
/// How a report on ranks that do not get on comes about: one rank asks, every rank answers with its ledger, and one of each host with stacks.
/// </summary>
/// <param name="roster">The ranks.</param>
/// <param name="pulse">This rank's state.</param>
/// <param name="silentSeconds">As in <see cref="LaunchRoster.View"/>.</param>
internal sealed class StallInquiry(LaunchRoster roster, Pulse pulse, double silentSeconds)
{
    // A report is there within ten seconds of run.stall_timeout_seconds: up to three beats until somebody asks, and these five, of which four
    // may go to stacks. A test that reads stacks has a minute for them, on a machine whose processors others hold.
    private static readonly TimeSpan UsualStackBound = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan PatientStackBound = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);

    private long _answeredAt;

    /// <summary>Time that ranks are given to answer, their stacks included.</summary>
    public static TimeSpan Bound => AnswerBound + StackBound;

    // They are asked for and read at the same time.
    private static TimeSpan AnswerBound => StackBound + Beat;

    private static TimeSpan StackBound => InjectedFaults.Strikes("patient", "stacks", 1) ? PatientStackBound : UsualStackBound;

    /// <summary>Writes the report, unless another rank has begun to. For a thread that is not the one which answers.</summary>
    /// <param name="occasion">What made somebody look.</param>
    public void ReportBeside(string occasion)
    {
        bool isAsking;
        try
        {
            isAsking = roster.Ask();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Nobody answers; what the others have told before is still there.
            isAsking = true;
        }
        if (isAsking)
        {
            Report(occasion, answers: false);
        }
        // That rank ends the launch, or this one does when it has failed at that.
        else
        {
            Thread.Sleep(Bound);
        }
    }

    /// <summary>Writes the report, and answers for this rank.</summary>
    /// <param name="occasion">What made somebody look.</param>
    /// <returns>False when another rank has begun to: that one ends the launch, or this one when it has failed at that.</returns>
    /// <exception cref="IOException">The others cannot be asked: the folder cannot be written.</exception>
    public bool Report(string occasion)
    {
        if (!roster.Ask())
        {
            return false;
        }

        Report(occasion, answers: true);
        return true;
    }

    /// <summary>Answers somebody who asks.</summary>
    public void AnswerIfAsked()
    {
        if (_answeredAt != 0)
        {
            // Whoever asked was to end the launch.
            if (Stopwatch.GetElapsedTime(_answeredAt) > 4 * Bound)
            {
                LinuxProcess.EndNow(ExitCode.Failed);
            }

            return;
        }
        if (!roster.IsAsked)
        {
            return;
        }

        _answeredAt = Stopwatch.GetTimestamp();
        LinuxProcess.AllowTracing();
        var state = pulse.Heartbeat(whole: true);
        var neighbours = roster.View(silentSeconds).Where(rank => roster.Own.Sees(roster.AddressOf(rank.Rank))).ToList();
        // One process reads all of a host, also those that are stopped.
        if (neighbours.Find(rank => !rank.IsSilent)?.Rank == roster.Own.Rank)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(roster.Folder.StacksOf(roster.Own.Rank))!);
            // An earlier launch may have left some.
            foreach (var rank in neighbours)
            {
                File.Delete(roster.Folder.StacksOf(rank.Rank));
            }

            StackDump.Write([.. neighbours.Select(rank => (rank.Heartbeat.ProcessId, roster.Folder.StacksOf(rank.Rank)))], StackBound);
        }
        state.Write(roster.Folder.AnswerOf(roster.Own.Rank));
    }

    private void Report(string occasion, bool answers)
    {
        var ranks = roster.View(silentSeconds);
        var asked = Stopwatch.StartNew();
        if (answers)
        {
            AnswerIfAsked();
        }

        while (asked.Elapsed < AnswerBound && !ranks.All(rank => rank.IsSilent || File.Exists(roster.Folder.AnswerOf(rank.Rank))))
        {
            Thread.Sleep(50);
        }

        ranks = [.. ranks.Select(roster.WithAnswer)];

        var report = new StallReport(occasion, ranks, roster.Folder);
        Console.Error.WriteLine($"kvshift: {report.Summary()}\nkvshift: all ranks, collectives and stacks are in {roster.Folder.Report}");
        Console.Error.Flush();
        Keep(report);
        foreach (var ((late, _, _), reason) in StallAnalysis.LateOf(ranks))
        {
            LastWords.Append(roster.Folder.Run, roster.AddressOf(late.Rank),
                $"phase {late.Phase}, step {late.Step}: it is late, says rank {roster.Own.Rank}: {reason}");
        }
    }

    private void Keep(StallReport report)
    {
        var path = roster.Folder.Report;
        try
        {
            File.AppendAllText(path, string.Create(CultureInfo.InvariantCulture, $"{DateTimeOffset.Now:yyyy-MM-dd HH:mm:ss zzz} {report.Whole()}\n"));
        }
        catch (IOException error)
        {
            // A full disk must not keep the launch from ending.
            Console.Error.WriteLine($"kvshift: {path} cannot be written: {error.Message}\n{report.Whole()}");
        }
    }
}
