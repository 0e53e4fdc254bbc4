using System.Runtime.InteropServices;

namespace Parquet.Compression;

/// <summary>The block calls of the system's liblz4 (lz4.h).</summary>
internal static partial class Lz4Library
{
    private const string Library = "liblz4.so.1";

    /// <summary>Bytes written, or a negative number when the block is damaged or does not fit.</summary>
    [LibraryImport(Library)]
    internal static unsafe partial int LZ4_decompress_safe(byte* source, byte* target, int sourceSize, int targetCapacity);

    /// <summary>As above, but stops after <paramref name="wantedSize"/> bytes; what was written may be fewer.</summary>
    [LibraryImport(Library)]
    internal static unsafe partial int LZ4_decompress_safe_partial(
        byte* source, byte* target, int sourceSize, int wantedSize, int targetCapacity);

    /// <summary>Bytes written, or 0 when they do not fit.</summary>
    [LibraryImport(Library)]
    internal static unsafe partial int LZ4_compress_default(byte* source, byte* target, int sourceSize, int targetCapacity);

    /// <summary>Largest size of a compressed block; 0 when the source is too large for one.</summary>
    [LibraryImport(Library)]
    internal static partial int LZ4_compressBound(int sourceSize);
}
