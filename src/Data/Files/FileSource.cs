using Microsoft.Win32.SafeHandles;

namespace KvShiftScale.Data.Files;

/// <summary>The few operations of a file system that reading shards takes. Tests derive file systems that fail.</summary>
internal class FileSource
{
    /// <summary>Opens a file for reading. Others may write it, which is found by its <see cref="StampOf">stamp</see>.</summary>
    public virtual SafeFileHandle Open(string path) => File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);

    /// <summary>Reads at a place; fewer bytes than asked for are possible, none at the end of the file.</summary>
    public virtual int Read(SafeFileHandle file, Span<byte> target, long offset) => RandomAccess.Read(file, target, offset);

    /// <summary>Length and time of the open file as they are now.</summary>
    public virtual FileStamp StampOf(SafeFileHandle file) => new(RandomAccess.GetLength(file), File.GetLastWriteTimeUtc(file));
}
