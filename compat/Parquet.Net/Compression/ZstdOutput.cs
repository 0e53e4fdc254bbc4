using System.Runtime.InteropServices;

namespace Parquet.Compression;

/// <summary>ZSTD_outBuffer: room to fill and how much of it is filled.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ZstdOutput
{
    public byte* Target;
    public nuint Size;
    public nuint Position;
}
