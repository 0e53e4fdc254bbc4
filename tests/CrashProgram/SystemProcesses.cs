using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace KvShiftScale.CrashProgram;

/// <summary>Processes of this machine, from /proc, and signals to them.</summary>
internal static partial class SystemProcesses
{
    public const int SigHup = 1;
    public const int SigInt = 2;
    public const int SigKill = 9;
    public const int SigUsr1 = 10;
    public const int SigUsr2 = 12;
    public const int SigTerm = 15;

    /// <summary>Sends a signal; a process that is gone needs none.</summary>
    public static bool Signal(int process, int number) => Kill(process, number) == 0;

    /// <summary>Processes that have the text among their arguments, this one left out.</summary>
    public static List<int> Mentioning(string text) => [.. All().Where(id => id != Environment.ProcessId && Arguments(id).Contains(text, StringComparison.Ordinal))];

    /// <summary>
    /// The ranks of a launch in no order: those of its processes that are dotnet itself, not the shells and mpirun around them.
    /// </summary>
    public static List<int> RanksOf(string folder) => [.. Mentioning(folder).Where(id => Arguments(id).Split('\0')[0].EndsWith("dotnet", StringComparison.Ordinal))];

    /// <summary>The process has a handler for the signal.</summary>
    public static bool Handles(int process, int number)
    {
        var line = Lines(process, "status").FirstOrDefault(line => line.StartsWith("SigCgt:", StringComparison.Ordinal));
        return line is not null && (ulong.Parse(line[7..].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture) >> (number - 1) & 1) == 1;
    }

    private static IEnumerable<int> All()
        => Directory.EnumerateDirectories("/proc").Select(path => int.TryParse(Path.GetFileName(path), out var id) ? id : 0).Where(id => id > 0);

    private static string Arguments(int process)
    {
        try
        {
            return Encoding.UTF8.GetString(File.ReadAllBytes($"/proc/{process}/cmdline"));
        }
        catch (IOException)
        {
            return "";
        }
    }

    private static string[] Lines(int process, string file)
    {
        try
        {
            return File.ReadAllLines($"/proc/{process}/{file}");
        }
        catch (IOException)
        {
            return [];
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
