using System.Globalization;
using System.Runtime.InteropServices;

namespace KvShiftScale.Trainer.Liveness;

/// <summary>What the system knows of processes of this machine, and how this one ends without asking anybody.</summary>
internal static partial class LinuxProcess
{
    // PR_SET_PTRACER of prctl, and any process of this user.
    private const int SetTracer = 0x59616d61;

    /// <summary>The process that started this one; another one, as a rule 1, once that is gone.</summary>
    public static int Parent => ParentId();

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

    [LibraryImport("libc", EntryPoint = "getppid")]
    private static partial int ParentId();

    [LibraryImport("libc", EntryPoint = "_exit")]
    private static partial void EndWithoutHandlers(int code);

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int Control(int option, nuint first, nuint second, nuint third, nuint fourth);
}
