using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using KvShiftScale.Parallel.Native;

namespace KvShiftScale.Trainer.Launch;

/// <summary>Starts this program again as several ranks of this machine, for verbs that use all cores without being told.</summary>
internal static partial class LocalRanks
{
    /// <summary>Ranks that a verb starts on its own: none where a launcher has started it, or for one rank.</summary>
    public static int Wanted(RankEnvironment launch, int? asked)
    {
        if (asked < 1)
        {
            throw new UsageException(FormattableString.Invariant($"found --ranks {asked}; wanted at least 1"));
        }

        return launch.LaunchedByMpi ? 1 : asked ?? Environment.ProcessorCount;
    }

    /// <summary>Runs ranks with the arguments of this process to their end.</summary>
    /// <returns>Their exit code.</returns>
    public static int Run(int ranks)
    {
        var launcher = MpiLauncher.Find(MpiLibrary.Named(Environment.GetEnvironmentVariable(MpiLibrary.Variable)));
        var start = new ProcessStartInfo("setsid", [launcher.Program, .. launcher.Arguments(ranks, plainOutput: Console.IsOutputRedirected, quiet: true)]);
        // The first argument is the program's own assembly, which only dotnet itself runs; else the process is the program.
        var host = Environment.ProcessPath!;
        start.ArgumentList.Add(host);
        var skipped = Path.GetFileNameWithoutExtension(host) == "dotnet" ? 0 : 1;
        foreach (var argument in Environment.GetCommandLineArgs().Skip(skipped))
        {
            start.ArgumentList.Add(argument);
        }

        var isStarted = false;
        using var process = new Process { StartInfo = start };
        // Ranks take what mpirun hands on as a wish to stop. setsid keeps the terminal's Ctrl-C away from it.
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Forward);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Forward);
        using var hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Forward);
        try
        {
            process.Start();
            isStarted = true;
        }
        catch (Win32Exception exception)
        {
            throw new UsageException($"setsid and mpirun cannot be started ({exception.Message}): run launch/setup, or use --ranks 1");
        }
        process.WaitForExit();
        return process.ExitCode;

        void Forward(PosixSignalContext context)
        {
            if (!isStarted)
            {
                return;
            }

            context.Cancel = true;
            // Zero on success; a process that has ended needs no signal.
            _ = Kill(process.Id, launcher.StopSignal);
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
