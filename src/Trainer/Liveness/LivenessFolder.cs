using System.Text;
using KvShiftScale.Core.Faults;
using KvShiftScale.Trainer.Launch;

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

    private const int ClearAttempts = 20;

    private static readonly TimeSpan ClearPause = TimeSpan.FromMilliseconds(20);

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
    /// <exception cref="IOException">It cannot be made, and is not there: the disk is full, or may only be read.</exception>
    public static bool Claim(string path, string launch)
    {
        FileStream file;
        try
        {
            file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        }
        catch (IOException) when (File.Exists(path))
        {
            return false;
        }
        using (file)
        {
            try
            {
                InjectedFaults.Reach("liveness.write");
                file.Write(Encoding.UTF8.GetBytes(launch));
                return true;
            }
            catch (IOException)
            {
                // One without a launch would keep the others from making it, and mean nothing to them.
                File.Delete(path);
                throw;
            }
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

    /// <summary>Removes the folder with all that is in it, and the run's folder where nothing else is in it, for a launch that ends.</summary>
    public void Remove()
    {
        // A heartbeat may come between.
        for (var attempt = 0; attempt < 3 && Directory.Exists(Path); attempt++)
        {
            Delete(recursive: true);
        }
        // Last: whoever waits for it may begin at once.
        RunLock.Remove(run);
    }

    /// <summary>The same where no rank has files in it.</summary>
    public void RemoveIfEmpty() => Delete(recursive: false);

    /// <summary>Removes the heartbeats of an earlier launch, for one rank before the others begin. Reports stay.</summary>
    /// <exception cref="IOException">The folder cannot be removed, or not be made.</exception>
    public void Clear()
    {
        for (var attempt = 1; Directory.Exists(Path); attempt++)
        {
            try
            {
                Directory.Delete(Path, recursive: true);
            }
            catch (DirectoryNotFoundException)
            {
                // A rank of a launch that ends has done it.
            }
            catch (IOException) when (attempt < ClearAttempts)
            {
                // A rank that a killed launch has left behind has written its heartbeat meanwhile.
                Thread.Sleep(ClearPause);
            }
        }
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
