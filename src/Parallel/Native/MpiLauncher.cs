using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace KvShiftScale.Parallel.Native;

/// <summary>The mpirun that starts ranks on this machine. launch/mpirun is the same for scripts.</summary>
/// <param name="Program">Its name or path.</param>
/// <param name="Flavor">Whose it is.</param>
public sealed record MpiLauncher(string Program, MpiFlavor Flavor)
{
    // Debian has the launchers of both beside each other, one of which is mpirun.
    private static readonly string[] Names = ["mpirun", "mpirun.openmpi", "mpirun.mpich"];

    /// <summary>The first mpirun of an MPI.</summary>
    /// <param name="wanted">The MPI; null for the one whose launcher is called mpirun.</param>
    /// <exception cref="MpiLibraryException">There is none.</exception>
    public static MpiLauncher Find(MpiFlavor? wanted)
    {
        var found = new List<string>();
        foreach (var name in Names)
        {
            if (Version(name) is not { } version)
            {
                continue;
            }

            var flavor = OfVersion(version);
            if (flavor is { } known && (wanted is null || known == wanted))
            {
                return new MpiLauncher(name, known);
            }

            found.Add($"{name} of {flavor?.Title ?? $"another MPI ('{version.Split('\n')[0].Trim()}')"}");
        }

        throw new MpiLibraryException($"found {(found.Count == 0 ? "no mpirun" : string.Join(" and ", found))}; wanted that of {wanted?.Title ?? "Open MPI or MPICH"}: "
            + $"install {(wanted ?? MpiFlavor.OpenMpi).Package}, or put its bin folder into PATH");
    }

    /// <summary>The MPI whose mpirun says so of itself (mpirun --version); null where it is neither.</summary>
    public static MpiFlavor? OfVersion(string text)
        => text.Contains("Open MPI", StringComparison.Ordinal) || text.Contains("OpenRTE", StringComparison.Ordinal) ? MpiFlavor.OpenMpi
            : text.Contains("HYDRA", StringComparison.Ordinal) || text.Contains("Intel(R) MPI", StringComparison.Ordinal) ? MpiFlavor.Mpich
            : null;

    /// <summary>
    /// Linux's number of the signal by which it tells ranks that they are to stop, and which it does not die of. Open MPI's answers SIGTERM by killing
    /// the ranks a second later, and hands on SIGUSR2; MPICH's hands on SIGTERM, and dies of SIGUSR2.
    /// </summary>
    public int StopSignal => Flavor == MpiFlavor.OpenMpi ? 12 : 15;

    /// <summary>Its arguments, before the program of the ranks and that program's own.</summary>
    /// <param name="ranks">Ranks on this machine; may exceed its processors.</param>
    /// <param name="plainOutput">No terminal reads what the ranks write.</param>
    /// <param name="quiet">mpirun has no words of its own about ranks that end with a code.</param>
    public IReadOnlyList<string> Arguments(int ranks, bool plainOutput = true, bool quiet = false)
    {
        var count = ranks.ToString(CultureInfo.InvariantCulture);
        // Hydra starts any number of ranks for any user, binds none, and hands their output on through pipes.
        if (Flavor == MpiFlavor.Mpich)
        {
            return ["-np", count];
        }

        List<string> arguments =
        [
            "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-np", count,
            // The ranks share one machine: copying through shared memory beats asking the kernel to copy between processes, which containers often forbid.
            "--mca", "btl_vader_single_copy_mechanism", "none",
            // A rank that waits gives its core away, so that other work on it does not stop all ranks.
            "--mca", "mpi_yield_when_idle", "1",
        ];
        if (quiet)
        {
            arguments.Add("--quiet");
        }

        // Ranks write to a pseudo-terminal, also when nobody sits at it; then plain lines are wanted.
        if (plainOutput)
        {
            arguments.AddRange(["-x", "TERM=dumb"]);
        }

        return arguments;
    }

    private static string? Version(string program)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, "--version") { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var errors = process.StandardError.ReadToEndAsync();
            var text = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return text + errors.Result;
        }
        catch (Win32Exception)
        {
            // No such program.
            return null;
        }
    }
}
