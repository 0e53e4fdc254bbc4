using System.Runtime.InteropServices;
using System.Text;
using KvShiftScale.Core.Faults;

namespace KvShiftScale.Core.Files;

/// <summary>Writes that survive a kill or a power cut: a file holds either its old content or the whole new one.</summary>
public static partial class DurableFile
{
    private const int ReadOnly = 0;
    private const int InvalidArgument = 22;

    /// <summary>Replaces a file, or makes it, with UTF-8 text.</summary>
    public static void Replace(string path, string text) => Replace(path, Encoding.UTF8.GetBytes(text));

    /// <summary>Replaces a file, or makes it: written beside it, forced to the disk, then renamed over it.</summary>
    public static void Replace(string path, ReadOnlySpan<byte> content)
    {
        var full = Path.GetFullPath(path);
        var beside = full + ".partial";
        using (var stream = new FileStream(beside, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0))
        {
            InjectedFaults.Reach("file.write");
            stream.Write(content);
            InjectedFaults.Reach("file.flush");
            stream.Flush(flushToDisk: true);
        }

        InjectedFaults.Reach("file.rename");
        File.Move(beside, full, overwrite: true);
        FlushDirectory(Path.GetDirectoryName(full)!);
    }

    /// <summary>Forces a file that somebody else wrote to the disk.</summary>
    public static void FlushFile(string path)
    {
        using var handle = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        InjectedFaults.Reach("file.flush");
        RandomAccess.FlushToDisk(handle);
    }

    /// <summary>Forces a directory's entries, new files and renames among them, to the disk.</summary>
    /// <exception cref="IOException">The system refuses.</exception>
    public static void FlushDirectory(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        InjectedFaults.Reach("file.flush");
        var descriptor = Open(path, ReadOnly);
        if (descriptor < 0)
        {
            throw new IOException($"{path}: cannot be opened to force it to the disk ({Marshal.GetLastPInvokeErrorMessage()}).");
        }

        var status = FSync(descriptor);
        var error = Marshal.GetLastPInvokeError();
        _ = Close(descriptor);

        // Some network file systems have no such operation on directories and say so with EINVAL.
        if (status != 0 && error != InvalidArgument)
        {
            throw new IOException($"{path}: cannot be forced to the disk ({Marshal.GetPInvokeErrorMessage(error)}).");
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FSync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
