using KvShiftScale.Core;
using KvShiftScale.Core.Progress;
using KvShiftScale.Core.Text;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.Trainer.Launch;

/// <summary>How a failure is told, and which exit code it has.</summary>
internal static class FaultReport
{
    // mpirun ends all ranks as soon as one has left with a code. Ranks other than the first wait this long before they speak and leave, so
    // that a fault which all have found is told once, and one that only they have found is told too.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    /// <summary>Writes to standard error: at once on the first rank, with some patience on others.</summary>
    public static void Tell(RankEnvironment launch, string message)
    {
        if (launch.Rank > 0)
        {
            Thread.Sleep(Patience);
        }

        var shown = AddressSecrets.MaskText(message);
        Console.Error.WriteLine(launch.Rank > 0 ? $"kvshift (rank {launch.Rank}): {shown}" : $"kvshift: {shown}");
        Console.Error.Flush();
    }

    /// <summary>
    /// Runs the work of one of several ranks. When it fails, the others may be waiting for this rank inside a collective, so the whole
    /// launch ends, with this rank's words, while nothing is torn down yet: groups and threads that communicate cannot be disposed of
    /// where the other ranks do not do the same.
    /// </summary>
    public static int Guard(RankEnvironment launch, ParallelContext ranks, Func<int> work)
    {
        try
        {
            return work();
        }
        catch (Exception exception) when (ranks.World.Size > 1 && End(exception))
        {
            throw;
        }

        // A filter runs where the exception is thrown, before anything on the way up is disposed of. It does not return.
        bool End(Exception exception)
        {
            Tell(launch, Describe(exception));
            // MPI may be what is broken.
            new Thread(() =>
            {
                Thread.Sleep(Patience);
                LinuxProcess.EndNow(ExitCodeOf(exception));
            })
            { IsBackground = true, Name = "end" }.Start();
            ranks.Abort(ExitCodeOf(exception));
            return true;
        }
    }

    /// <summary>2 for what a user got wrong before any work began, 1 for everything else.</summary>
    public static int ExitCodeOf(Exception exception)
        => exception is KvShiftException foreseen ? foreseen.Code
            // What is there when training begins, nobody has named wrongly: a later launch may well find it again.
            : exception is FileNotFoundException && RunProgress.IsBeforeTraining ? ExitCode.Usage : ExitCode.Failed;

    /// <summary>The message alone where it says what to do; with the stack where somebody has to look into the code.</summary>
    public static string Describe(Exception exception)
        => exception is KvShiftException { NeedsStack: false } or IOException or InvalidDataException or UnauthorizedAccessException
            ? exception.Message
            : exception.ToString();
}
