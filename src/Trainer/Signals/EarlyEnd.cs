using KvShiftScale.Core;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Liveness;
using KvShiftScale.Trainer.RunFolders;

namespace KvShiftScale.Trainer.Signals;

/// <summary>
/// How a rank ends its launch at a signal while there is nothing to lose: before it has made a step of its own. It asks nobody, and no thread that reads, computes or
/// waits can hold it up.
/// </summary>
/// <param name="launch">What the launcher told this process.</param>
internal sealed class EarlyEnd(RankEnvironment launch)
{
    /// <summary>How long ranks that meet now and then may take to answer together, and to leave nothing behind.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(300);

    // The first rank speaks where all have got the signal.
    private static readonly TimeSpan OthersPatience = TimeSpan.FromMilliseconds(200);

    // A disk that does not answer, or MPI.
    private static readonly TimeSpan Bound = TimeSpan.FromMilliseconds(500);

    private volatile ParallelContext? _ranks;
    private volatile string? _folder;
    private volatile bool _isHeld;

    /// <summary>The run's folder is known: there a script that has started the launch finds that a signal has stopped it.</summary>
    public void KnowFolder(string folder) => (_folder, _isHeld) = (folder, false);

    /// <summary>The launch has the run's folder for itself, and takes what it has made there away when it ends.</summary>
    public void HoldFolder() => _isHeld = true;

    /// <summary>MPI is under way, and ends the other ranks.</summary>
    public void KnowRanks(ParallelContext ranks) => _ranks = ranks;

    /// <summary>Ends the launch. Does not return.</summary>
    /// <param name="isHandedOn">Every rank has got the signal.</param>
    public void End(bool isHandedOn)
    {
        var isFirst = launch.Rank == 0;
        if (!isFirst)
        {
            Thread.Sleep(OthersPatience);
        }

        new Thread(() =>
        {
            Thread.Sleep(Bound);
            LinuxProcess.EndNow(ExitCode.Stopped);
        })
        { IsBackground = true, Name = "end" }.Start();
        if (isFirst || !isHandedOn)
        {
            Console.Error.WriteLine("kvshift: stopped by a signal before training; the same command begins again");
            Console.Error.Flush();
        }
        if (_folder is { } folder)
        {
            if (isFirst)
            {
                StopMark.Leave(folder, launch.LaunchName, Console.Error.WriteLine);
            }
            // Nobody is to tell of a rank that died.
            if (_isHeld)
            {
                new LivenessFolder(folder).Remove();
            }
        }
        if (launch.LaunchedByMpi)
        {
            _ranks?.Abort(ExitCode.Stopped);
        }

        LinuxProcess.EndNow(ExitCode.Stopped);
    }
}
