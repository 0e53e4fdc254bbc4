using System.Runtime.InteropServices;

namespace Parquet.Compression;

/// <summary>ZSTD_inBuffer: bytes to read and how many are read.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ZstdInput
{
    public byte* Source;
    public nuint Size;
    public nuint Position;
}
