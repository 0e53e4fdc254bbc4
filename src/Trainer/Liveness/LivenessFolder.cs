namespace KvShiftScale.Trainer.Liveness;

/// <summary>Files through which the ranks of a launch tell each other that they live, without MPI: it works when MPI does not.</summary>
/// <param name="run">Folder of the run, which all hosts share.</param>
internal sealed class LivenessFolder(string run)
{
    /// <summary>Name in the run's folder.</summary>
    public const string Name = "liveness";

    /// <summary>Name of the report of a stall.</summary>
    public const string ReportName = "stall.txt";

    /// <summary>Name of the folder with managed stacks.</summary>
    public const string StacksName = "stacks";

    /// <summary>Folder of the run.</summary>
    public string Run => run;

    /// <summary>The folder.</summary>
    public string Path { get; } = System.IO.Path.Combine(run, Name);

    /// <summary>Somebody writes a report and wants every rank's ledger and stacks. Holds the launch.</summary>
    public string Request => System.IO.Path.Combine(Path, "report-requested");

    /// <summary>The report.</summary>
    public string Report => System.IO.Path.Combine(run, ReportName);

    /// <summary>Stacks of one rank's threads.</summary>
    public string StacksOf(int rank) => System.IO.Path.Combine(run, StacksName, FormattableString.Invariant($"rank-{rank}.txt"));

    /// <summary>The newest heartbeat of a rank.</summary>
    public string HeartbeatOf(int rank) => System.IO.Path.Combine(Path, FormattableString.Invariant($"rank-{rank:D5}"));

    /// <summary>A rank's ledger, written on request.</summary>
    public string AnswerOf(int rank) => System.IO.Path.Combine(Path, FormattableString.Invariant($"ledger-{rank:D5}"));

    /// <summary>Somebody tells of the death of a rank.</summary>
    public string DeathOf(int rank) => System.IO.Path.Combine(Path, FormattableString.Invariant($"death-{rank:D5}"));

    /// <summary>Makes a file that only one of several ranks makes.</summary>
    /// <returns>Whether it was this one.</returns>
    public static bool Claim(string path, string launch)
    {
        try
        {
            using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write);
            using var writer = new StreamWriter(file);
            writer.Write(launch);
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Whether a file of <see cref="Claim"/> is there, and from this launch.</summary>
    public static bool IsClaimed(string path, string launch)
    {
        try
        {
            return File.ReadAllText(path) == launch;
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>Removes the folder with all that is in it, and the run's folder where nothing else is in it.</summary>
    public void Remove()
    {
        // A heartbeat may come between.
        for (var attempt = 0; attempt < 3 && Directory.Exists(Path); attempt++) Delete(recursive: true);
    }

    /// <summary>The same where no rank has files in it.</summary>
    public void RemoveIfEmpty() => Delete(recursive: false);

    /// <summary>Removes the heartbeats of an earlier launch, for one rank before the others begin. Reports stay.</summary>
    public void Clear()
    {
        if (Directory.Exists(Path)) Directory.Delete(Path, recursive: true);
        Directory.CreateDirectory(Path);
    }

    private void Delete(bool recursive)
    {
        try
        {
            Directory.Delete(Path, recursive);
            Directory.Delete(run);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Somebody else's files are there, or another rank is doing the same.
        }
    }
}
