using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using KvShiftScale.Core.Faults;
using Microsoft.Win32.SafeHandles;

namespace KvShiftScale.Core.Files;

/// <summary>
/// A new file whose pieces go to the disk without a copy in the system's cache, where the file system can do that, and as usual where it
/// cannot. A checkpoint is written once and read after a failure, if ever: in the cache it would cost a page for every 4 KiB, and push out
/// what training reads. Several threads may write.
/// </summary>
public sealed partial class UnbufferedFile : IDisposable
{
    // What the disk's blocks, their places in memory and in the file are multiples of, on every file system that we know.
    private const int BlockBytes = 4096;

    private const int GetFlags = 3;
    private const int SetFlags = 4;

    private readonly SafeFileHandle _handle;
    private readonly long _byteCount;
    private readonly ConcurrentBag<Piece> _free = [];

    /// <summary>Makes the file, or empties it, and takes room for all of it: a full disk is better known before the first byte than after the last.</summary>
    /// <param name="path">The file.</param>
    /// <param name="byteCount">What it will have.</param>
    /// <exception cref="IOException">It cannot be made, or the disk has no room.</exception>
    public UnbufferedFile(string path, long byteCount)
    {
        _byteCount = byteCount;
        _handle = File.OpenHandle(path, FileMode.Create, FileAccess.Write, FileShare.Read, preallocationSize: byteCount);
        // Without the flag, which a file system may refuse, writes are the usual ones.
        if (Direct is { } direct && Control(_handle, GetFlags, 0) is >= 0 and var flags)
        {
            _ = Control(_handle, SetFlags, flags | direct);
        }
    }

    // O_DIRECT of Linux, which has several values.
    private static int? Direct => !OperatingSystem.IsLinux() ? null : RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 0x4000,
        Architecture.Arm64 => 0x10000,
        _ => null,
    };

    /// <summary>Memory to fill with what belongs at a place in the file. The caller disposes it, and the next piece uses it again.</summary>
    public Piece Rent() => _free.TryTake(out var piece) ? piece : new Piece(_free);

    /// <summary>Writes the first bytes of a piece.</summary>
    /// <param name="piece">From <see cref="Rent"/>.</param>
    /// <param name="byteCount">Bytes in it: whole blocks, but for the last of the file.</param>
    /// <param name="place">Where they belong: a multiple of <see cref="FileChecksum.PieceBytes"/>.</param>
    /// <exception cref="IOException">The disk refuses.</exception>
    public void Write(Piece piece, int byteCount, long place)
    {
        InjectedFaults.Reach("file.write");
        var whole = (byteCount + BlockBytes - 1) / BlockBytes * BlockBytes;
        piece.Bytes[byteCount..whole].Clear();
        RandomAccess.Write(_handle, piece.Bytes[..whole], place);
    }

    /// <summary>Ends the file and forces it to the disk.</summary>
    /// <exception cref="IOException">The disk refuses.</exception>
    public void Flush()
    {
        // The last block was written whole.
        RandomAccess.SetLength(_handle, _byteCount);
        InjectedFaults.Reach("file.flush");
        RandomAccess.FlushToDisk(_handle);
    }

    public void Dispose()
    {
        _handle.Dispose();
        foreach (var piece in _free)
        {
            piece.Free();
        }
    }

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Control(SafeFileHandle file, int command, int argument);

    /// <summary>Memory of one piece of a file, at the beginning of a block.</summary>
    public sealed unsafe class Piece(ConcurrentBag<Piece> free) : IDisposable
    {
        private readonly void* _memory = NativeMemory.AlignedAlloc(FileChecksum.PieceBytes, BlockBytes);

        /// <summary>All of it.</summary>
        public Span<byte> Bytes => new(_memory, FileChecksum.PieceBytes);

        public void Dispose() => free.Add(this);

        internal void Free() => NativeMemory.AlignedFree(_memory);
    }
}
