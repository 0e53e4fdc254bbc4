using System.Runtime.InteropServices;

namespace KvShiftScale.Data.Text.Compression;

/// <summary>ZSTD_inBuffer and ZSTD_outBuffer: memory, its size, and how much of it is used.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ZstdBuffer
{
    public nint Address;
    public nuint Size;
    public nuint Position;
}
