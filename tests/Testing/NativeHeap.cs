using System.Runtime.InteropServices;

namespace KvShiftScale.Testing;

/// <summary>What this process holds of malloc's memory, where tensors lie and managed objects do not.</summary>
internal static partial class NativeHeap
{
    /// <summary>Bytes in use, of all arenas and mappings.</summary>
    public static long Bytes
    {
        get
        {
            var info = mallinfo2();
            return (long)(info.UsedInArenas + info.UsedInMappings);
        }
    }

    [LibraryImport("libc")]
    private static partial Info mallinfo2();

    // struct mallinfo2 of glibc: ten size_t.
    [StructLayout(LayoutKind.Sequential)]
    private struct Info
    {
        public nuint Arena, FreeChunks, FastChunks, Mappings, UsedInMappings, Unused, FreeFastChunks, UsedInArenas, FreeInArenas, Trimmable;
    }
}
