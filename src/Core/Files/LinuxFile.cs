using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace KvShiftScale.Core.Files;

/// <summary>Files as the system has them, for what .NET's own streams do not do: append at the end that the file has at that moment, look at a
/// file that somebody has locked, and tell a lock that is held from one that the file system does not know.</summary>
public static partial class LinuxFile
{
    // The same on x86-64 and Arm64.
    private const int WriteOnly = 1;
    private const int ReadWrite = 2;
    private const int Create = 0x40;
    private const int Append = 0x400;
    private const int CloseOnExecute = 0x80000;
    private const int LockExclusively = 2;
    private const int DoNotWait = 4;
    private const int NoSuchFile = 2;
    private const int WouldBlock = 11;
    private const int MayReadAll = 0x1A4;

    /// <summary>Adds text in one write at the file's end, wherever other processes have moved it. Between hosts a file server may not keep that.</summary>
    /// <exception cref="IOException">The system refuses.</exception>
    public static void AppendText(string path, string text)
    {
        using var file = Open(path, WriteOnly | Create | Append);
        // Linux does not look at the place where a file is open for appending.
        RandomAccess.Write(file, Encoding.UTF8.GetBytes(text), 0);
    }

    /// <summary>Opens a file to read and write, and makes it where it is not there. Nothing is locked.</summary>
    /// <exception cref="DirectoryNotFoundException">Its folder is not there.</exception>
    /// <exception cref="IOException">The system refuses.</exception>
    public static SafeFileHandle OpenOrCreate(string path) => Open(path, ReadWrite | Create);

    /// <summary>The beginning of a file, also of one that somebody has locked; empty when there is none.</summary>
    public static string ReadText(string path, int mostBytes)
    {
        try
        {
            using var file = Open(path, 0);
            var bytes = new byte[mostBytes];
            return Encoding.UTF8.GetString(bytes, 0, RandomAccess.Read(file, bytes, 0));
        }
        catch (IOException)
        {
            return "";
        }
    }

    /// <summary>Locks a whole file for this process, until the file is closed or the process is gone, however it ends.</summary>
    /// <returns>False when another process has it; null when the file system has no locks.</returns>
    public static bool? TryLock(SafeFileHandle file)
        => Lock(file, LockExclusively | DoNotWait) == 0 ? true : Marshal.GetLastPInvokeError() == WouldBlock ? false : null;

    /// <summary>Whether the path from which a file was opened still leads to it.</summary>
    public static bool IsNamed(SafeFileHandle file, string name)
        => Path.GetFileName(new FileInfo(FormattableString.Invariant($"/proc/self/fd/{file.DangerousGetHandle()}")).LinkTarget) == name;

    private static SafeFileHandle Open(string path, int flags)
    {
        var descriptor = Open(path, flags | CloseOnExecute, MayReadAll);
        if (descriptor >= 0)
        {
            return new SafeFileHandle(descriptor, ownsHandle: true);
        }

        var error = Marshal.GetLastPInvokeError();
        var message = $"{path}: {Marshal.GetPInvokeErrorMessage(error)}";
        throw error == NoSuchFile ? new DirectoryNotFoundException(message) : new IOException(message);
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int Lock(SafeFileHandle file, int operation);
}
