using System.Globalization;
using System.Runtime.InteropServices;

namespace KvShiftScale.Core;

/// <summary>What the system knows of processes of this machine, and how this one ends without asking anybody.</summary>
public static partial class LinuxProcess
{
    // PR_SET_PTRACER of prctl, and any process of this user.
    private const int SetTracer = 0x59616d61;

    private const string Allowed = "Cpus_allowed_list:";

    /// <summary>The process that started this one; another one, as a rule 1, once that is gone.</summary>
    public static int Parent => ParentId();

    /// <summary>The start of the running system, which no other has; null where it does not tell.</summary>
    public static string? KernelStart { get; } = Read("/proc/sys/kernel/random/boot_id")?.Trim();

    /// <summary>The name space in which this process has its id; null where the system does not tell.</summary>
    public static string? ProcessNamespace { get; } = new FileInfo("/proc/self/ns/pid").LinkTarget;

    /// <summary>Processors that this process may run on, as Linux lists them: 0-3,8; null where it does not tell.</summary>
    public static string? AllowedProcessors
        => Read("/proc/self/status")?.Split('\n').FirstOrDefault(line => line.StartsWith(Allowed, StringComparison.Ordinal))?[Allowed.Length..].Trim();

    /// <summary>Whether a process of this machine has ended; one that nobody has waited for yet has.</summary>
    public static bool HasEnded(int process)
    {
        try
        {
            var status = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/stat"));
            // "pid (name) state ...", and a name may have brackets.
            return status.LastIndexOf(')') is var end and >= 0 && end + 2 < status.Length && status[end + 2] is 'Z' or 'X';
        }
        catch (IOException)
        {
            return true;
        }
    }

    /// <summary>Lets processes of the same user read this one's stacks where the system restricts that to ancestors.</summary>
    public static void AllowTracing() => _ = Control(SetTracer, nuint.MaxValue, 0, 0, 0);

    /// <summary>
    /// Ends this process now: no handler runs, no library is torn down. A thread that is stuck in MPI or in a kernel cannot hold it up.
    /// </summary>
    public static void EndNow(int exitCode) => EndWithoutHandlers(exitCode);

    private static string? Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    [LibraryImport("libc", EntryPoint = "getppid")]
    private static partial int ParentId();

    [LibraryImport("libc", EntryPoint = "_exit")]
    private static partial void EndWithoutHandlers(int code);

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int Control(int option, nuint first, nuint second, nuint third, nuint fourth);
}
