using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace KvShiftScale.Trainer.Liveness;

/// <summary>
/// Has the stacks of processes written to files, by a process of its own: none can read its own threads, and one that is stopped reads
/// nothing.
/// </summary>
internal static class StackDump
{
    /// <summary>Writes what can be read in the time given; what cannot be is missing.</summary>
    public static void Write(IReadOnlyList<(int Process, string File)> wanted, TimeSpan bound)
    {
        var host = Environment.ProcessPath!;
        var start = new ProcessStartInfo(host);
        // Under dotnet itself the program is its first argument.
        if (Path.GetFileNameWithoutExtension(host) == "dotnet")
        {
            start.ArgumentList.Add(Environment.GetCommandLineArgs()[0]);
        }

        start.ArgumentList.Add("stacks");
        foreach (var (process, file) in wanted)
        {
            start.ArgumentList.Add(string.Create(CultureInfo.InvariantCulture, $"{process}:{file}"));
        }
        // It is no rank, and has no faults to commit.
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("OMPI_", StringComparison.Ordinal)
            || name.StartsWith("PMI", StringComparison.Ordinal)
            || name == Core.Faults.InjectedFaults.Variable).ToList())
        {
            start.Environment.Remove(name);
        }
        try
        {
            using var process = Process.Start(start)!;
            if (!process.WaitForExit(bound))
            {
                process.Kill();
            }
        }
        catch (Win32Exception)
        {
            // No process can be started on a machine in this state; the report says that stacks are missing.
        }
    }
}
