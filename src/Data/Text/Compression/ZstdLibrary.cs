using System.Runtime.InteropServices;

namespace KvShiftScale.Data.Text.Compression;

/// <summary>The few calls of the system's libzstd (zstd.h, stable part) that reading a stream needs.</summary>
internal static partial class ZstdLibrary
{
    private const string Library = "libzstd.so.1";

    [LibraryImport(Library)]
    internal static partial nint ZSTD_createDStream();

    [LibraryImport(Library)]
    internal static partial nuint ZSTD_freeDStream(nint stream);

    /// <summary>0 where a frame has ended, an error, or what the library would like to have next.</summary>
    [LibraryImport(Library)]
    internal static partial nuint ZSTD_decompressStream(ZstdStreamHandle stream, ref ZstdBuffer output, ref ZstdBuffer input);

    [LibraryImport(Library)]
    internal static partial uint ZSTD_isError(nuint code);

    [LibraryImport(Library)]
    private static partial nint ZSTD_getErrorName(nuint code);

    internal static string ErrorName(nuint code) => Marshal.PtrToStringUTF8(ZSTD_getErrorName(code)) ?? "unknown error";
}
