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

    /// <summary>A process that runs now, and all that it or its children have started and that have not lost their parents, each with the time of its start.</summary>
    public static List<(int Id, string Start)> FamilyOf(int process)
    {
        var all = All().Select(id => (Id: id, Fields: Status(id))).Where(found => found.Fields.Length > 19).ToList();
        List<(int Id, string Start)> family = [.. all.Where(found => found.Id == process).Select(found => (found.Id, found.Fields[19]))];
        for (var i = 0; i < family.Count; i++)
        {
            var parent = family[i].Id.ToString(CultureInfo.InvariantCulture);
            family.AddRange(all.Where(found => found.Fields[1] == parent).Select(found => (found.Id, found.Fields[19])));
        }

        return family;
    }

    /// <summary>It still runs; one that nobody has waited for does not.</summary>
    public static bool Runs((int Id, string Start) process)
        => Status(process.Id) is { Length: > 19 } fields && fields[19] == process.Start && fields[0] is not ("Z" or "X");

    // From the state on: a process's name may have blanks and brackets.
    private static string[] Status(int process)
        => Lines(process, "stat") is [var line, ..] ? line[(line.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries) : [];

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
