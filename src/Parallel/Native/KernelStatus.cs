using System.Runtime.InteropServices;

namespace KvShiftScale.Parallel.Native;

/// <summary>Status of libkvshift's kernels as exceptions.</summary>
public static partial class KernelStatus
{
    static KernelStatus() => KvShiftLibrary.ResolveFor(typeof(KernelStatus).Assembly);

    /// <summary>Throws <see cref="KernelException"/> with the library's text unless <paramref name="status"/> is 0.</summary>
    public static void ThrowIfFailed(int status)
    {
        if (status != 0)
        {
            Throw(status);
        }
    }

    private static void Throw(int status) => throw new KernelException(status, Marshal.PtrToStringUTF8(kvs_last_error()) ?? "no text");

    [LibraryImport(KvShiftLibrary.Kernels)]
    private static partial nint kvs_last_error();
}
