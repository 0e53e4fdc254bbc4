using System.Runtime.InteropServices;

namespace KvShiftScale.Data.Finding;

/// <summary>What a name leads to.</summary>
internal enum EntryKind
{
    /// <summary>A file with content.</summary>
    File,

    /// <summary>A folder.</summary>
    Folder,

    /// <summary>A pipe, a socket or a device.</summary>
    Special,
}

/// <summary>Which file or folder a name leads to, whatever the name: links and hard links to one file have the same identity.</summary>
/// <param name="Device">The file system.</param>
/// <param name="Inode">Its number there.</param>
/// <param name="Length">Bytes. With the time, keeps files apart where a file system gives several of them one number.</param>
/// <param name="ModifiedSeconds">Last modification, in seconds since 1970.</param>
/// <param name="ModifiedNanoseconds">The rest of it.</param>
internal readonly partial record struct FileIdentity(ulong Device, ulong Inode, ulong Length, long ModifiedSeconds, uint ModifiedNanoseconds)
{
    /// <summary>What a name leads to, through links.</summary>
    /// <returns>Null when it leads nowhere: there is no such name, or it is a link to nothing or to itself.</returns>
    /// <exception cref="UnauthorizedAccessException">A folder on the way may not be searched.</exception>
    /// <exception cref="IOException">The file system fails.</exception>
    public static (FileIdentity Identity, EntryKind Kind)? Of(string path)
    {
        if (FileStatus.Read(path) is not { } status)
        {
            return null;
        }

        var kind = status.Kind;
        var device = ((ulong)status.DeviceMajor << 32) | status.DeviceMinor;
        // A folder changes while it is looked at.
        return kind == EntryKind.Folder
            ? (new FileIdentity(device, status.Inode, 0, 0, 0), kind)
            : (new FileIdentity(device, status.Inode, status.Size, status.ModifiedSeconds, status.ModifiedNanoseconds), kind);
    }

    /// <summary>struct statx of linux/stat.h, which is the same on all architectures.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private partial struct FileStatus
    {
        private const int WorkingDirectory = -100;
        private const uint BasicFields = 0x7FF;
        private const int KindMask = 0xF000;
        private const int FolderKind = 0x4000;
        private const int FileKind = 0x8000;
        private const int NoSuchFile = 2;
        private const int NotAllowed = 13;
        private const int NoFolder = 20;
        private const int TooManyLinks = 40;

        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(32)]
        public ulong Inode;

        [FieldOffset(40)]
        public ulong Size;

        [FieldOffset(112)]
        public long ModifiedSeconds;

        [FieldOffset(120)]
        public uint ModifiedNanoseconds;

        [FieldOffset(136)]
        public uint DeviceMajor;

        [FieldOffset(140)]
        public uint DeviceMinor;

        public readonly EntryKind Kind => (Mode & KindMask) switch
        {
            FolderKind => EntryKind.Folder,
            FileKind => EntryKind.File,
            _ => EntryKind.Special,
        };

        public static FileStatus? Read(string path)
        {
            if (Read(WorkingDirectory, path, 0, BasicFields, out var status) == 0)
            {
                return status;
            }

            var error = Marshal.GetLastPInvokeError();
            var message = $"{path}: {Marshal.GetPInvokeErrorMessage(error)}";
            return error switch
            {
                NoSuchFile or NoFolder or TooManyLinks => null,
                NotAllowed => throw new UnauthorizedAccessException(message),
                _ => throw new IOException(message),
            };
        }

        [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
        private static partial int Read(int folder, string path, int flags, uint mask, out FileStatus status);
    }
}
