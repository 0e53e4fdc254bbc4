using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using KvShiftScale.Core;
using KvShiftScale.Trainer.Launch;

namespace KvShiftScale.Trainer.Signals;

/// <summary>Starts this program again as several ranks of this machine, for verbs that use all cores without being told.</summary>
internal static partial class LocalRanks
{
    // Built from native/launch, and beside the program.
    private const string Lifeline = "lifeline";

    // As launch/train has it.
    private const int MostOfProcessor = 32;

    // Processes that are just starting do not hear a signal yet.
    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(250);

    /// <summary>Ranks that a verb starts on its own: none where a launcher has started it, or for one rank.</summary>
    public static int Wanted(RankEnvironment launch, int? asked)
    {
        var most = MostOfProcessor * Environment.ProcessorCount;
        if (asked > most)
        {
            throw new UsageException(FormattableString.Invariant(
                $"found --ranks {asked}; wanted at most {most}, {MostOfProcessor} for each processor of this machine: more only wait for each other"));
        }

        return launch.LaunchedByMpi ? 1 : asked ?? Environment.ProcessorCount;
    }

    /// <summary>Runs ranks with the arguments of this process to their end. They end with this process, however that ends.</summary>
    /// <param name="ranks">Number of ranks.</param>
    /// <param name="stop">Signals of this process, which the ranks answer from now on.</param>
    /// <returns>Their exit code.</returns>
    public static int Run(int ranks, StopSignal stop)
    {
        var launcher = RankEnvironment.FindLauncher();
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, Lifeline),
        [
            Environment.ProcessId.ToString(CultureInfo.InvariantCulture), launcher.Program,
            .. launcher.Arguments(ranks, plainOutput: Console.IsOutputRedirected, quiet: true),
        ]);
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
        var again = new Timer(_ => Tell());
        // Ranks take what mpirun hands on as a wish to stop. A session of its own, which lifeline makes, keeps the terminal's Ctrl-C away from it.
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Forward);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Forward);
        using var hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Forward);
        try
        {
            process.Start();
            isStarted = true;
            stop.BeginWork(_ => { });
            if (stop.IsRequested)
            {
                again.Change(TimeSpan.Zero, Again);
            }

            // Processes that the system starts for a thread end with that thread, and this one waits here for them.
            process.WaitForExit();
            return process.ExitCode;
        }
        catch (Win32Exception exception)
        {
            throw new UsageException($"{start.FileName} cannot be started ({exception.Message}): run launch/setup, or use --ranks 1");
        }
        finally
        {
            // Not before the last signal is sent.
            again.DisposeAsync().AsTask().Wait();
        }

        void Tell()
        {
            if (!process.HasExited)
            {
                // Zero on success; a process that has ended needs no signal.
                _ = Kill(process.Id, launcher.StopSignal);
            }
        }

        void Forward(PosixSignalContext context)
        {
            if (!isStarted)
            {
                return;
            }

            context.Cancel = true;
            // False once it is disposed.
            _ = again.Change(TimeSpan.Zero, Again);
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
