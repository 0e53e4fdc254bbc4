using System.Runtime.InteropServices;

namespace Parquet.Compression;

/// <summary>The C calls of the system's libsnappy (snappy-c.h). Each returns 0 when all is well.</summary>
internal static partial class SnappyLibrary
{
    private const string Library = "libsnappy.so.1";

    /// <summary>Fills at most <paramref name="targetSize"/> bytes, which becomes the number filled.</summary>
    [LibraryImport(Library)]
    internal static unsafe partial int snappy_uncompress(byte* source, nuint sourceSize, byte* target, ref nuint targetSize);

    /// <summary>The uncompressed size as the block states it.</summary>
    [LibraryImport(Library)]
    internal static unsafe partial int snappy_uncompressed_length(byte* source, nuint sourceSize, out nuint size);

    /// <summary>Whether the block decompresses to the size that it states; writes nothing.</summary>
    [LibraryImport(Library)]
    internal static unsafe partial int snappy_validate_compressed_buffer(byte* source, nuint sourceSize);

    /// <param name="targetSize">Room, at least <see cref="snappy_max_compressed_length"/>; becomes the compressed size.</param>
    [LibraryImport(Library)]
    internal static unsafe partial int snappy_compress(byte* source, nuint sourceSize, byte* target, ref nuint targetSize);

    [LibraryImport(Library)]
    internal static partial nuint snappy_max_compressed_length(nuint sourceSize);
}
