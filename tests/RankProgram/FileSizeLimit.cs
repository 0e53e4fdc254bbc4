using System.ComponentModel;
using System.Runtime.InteropServices;

namespace KvShiftScale.RankProgram;

/// <summary>A limit to the size of files that this process writes, until disposed: beyond it there is no room, as on a full disk. Linux alone.</summary>
internal sealed partial class FileSizeLimit : IDisposable
{
    private const int FileSize = 1;

    // SIGXFSZ ends a process that goes beyond its limit, unless somebody takes the signal.
    private const PosixSignal FileTooLarge = (PosixSignal)25;

    private readonly Limits _before;
    private readonly PosixSignalRegistration _taken = PosixSignalRegistration.Create(FileTooLarge, context => context.Cancel = true);

    public FileSizeLimit(int bytes)
    {
        Check(getrlimit(FileSize, out _before));
        Check(setrlimit(FileSize, _before with { Soft = (nuint)bytes }));
    }

    public void Dispose()
    {
        Check(setrlimit(FileSize, _before));
        _taken.Dispose();
    }

    private static void Check(int result)
    {
        if (result != 0)
        {
            throw new Win32Exception();
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int getrlimit(int resource, out Limits limits);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setrlimit(int resource, in Limits limits);

    // struct rlimit: two of rlim_t.
    [StructLayout(LayoutKind.Sequential)]
    private record struct Limits(nuint Soft, nuint Hard);
}
