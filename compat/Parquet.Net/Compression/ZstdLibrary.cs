using System.Runtime.InteropServices;

namespace Parquet.Compression;

/// <summary>The few calls of the system's libzstd (zstd.h, stable part) that whole-buffer work needs.</summary>
internal static partial class ZstdLibrary
{
    private const string Library = "libzstd.so.1";

    [LibraryImport(Library)]
    internal static partial nint ZSTD_createDCtx();

    [LibraryImport(Library)]
    internal static partial nuint ZSTD_freeDCtx(nint context);

    [LibraryImport(Library)]
    internal static unsafe partial nuint ZSTD_decompressDCtx(
        ZstdDecompressionHandle context, byte* target, nuint targetSize, byte* source, nuint sourceSize);

    /// <summary>Uncompressed bytes as the frame states them; the two largest numbers mean unknown and not a frame.</summary>
    [LibraryImport(Library)]
    internal static unsafe partial ulong ZSTD_getFrameContentSize(byte* source, nuint sourceSize);

    /// <summary>Decompresses some more into what is left of the target; 0 when a frame is complete, otherwise more is to come.</summary>
    [LibraryImport(Library)]
    internal static unsafe partial nuint ZSTD_decompressStream(ZstdDecompressionHandle context, ZstdOutput* target, ZstdInput* source);

    /// <summary>Forgets an unfinished frame (reset directive 1) and keeps the parameters.</summary>
    [LibraryImport(Library)]
    internal static partial nuint ZSTD_DCtx_reset(ZstdDecompressionHandle context, int directive);

    /// <summary>Parameter 100 is the largest window that streaming accepts, as a power of two.</summary>
    [LibraryImport(Library)]
    internal static partial nuint ZSTD_DCtx_setParameter(ZstdDecompressionHandle context, int parameter, int value);

    [LibraryImport(Library)]
    internal static partial nint ZSTD_createCCtx();

    [LibraryImport(Library)]
    internal static partial nuint ZSTD_freeCCtx(nint context);

    [LibraryImport(Library)]
    internal static unsafe partial nuint ZSTD_compressCCtx(
        ZstdCompressionHandle context, byte* target, nuint targetSize, byte* source, nuint sourceSize, int level);

    [LibraryImport(Library)]
    internal static partial nuint ZSTD_compressBound(nuint sourceSize);

    [LibraryImport(Library)]
    internal static partial uint ZSTD_isError(nuint code);

    [LibraryImport(Library)]
    private static partial nint ZSTD_getErrorName(nuint code);

    internal static string ErrorName(nuint code) => Marshal.PtrToStringUTF8(ZSTD_getErrorName(code)) ?? "unknown error";
}
