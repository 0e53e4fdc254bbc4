using System.Runtime.InteropServices;
using System.Text;

namespace KvShiftScale.Data.Tests.Text;

/// <summary>zstd frames as the system's library writes them.</summary>
internal static partial class ZstdFile
{
    public static byte[] Compress(string text) => Compress(Encoding.UTF8.GetBytes(text));

    public static byte[] Compress(byte[] content)
    {
        var frame = new byte[content.Length + 1024];
        var length = ZSTD_compress(frame, (nuint)frame.Length, content, (nuint)content.Length, 3);
        Assert.InRange((long)length, 1, frame.Length);
        return frame[..(int)length];
    }

    [LibraryImport("libzstd.so.1")]
    private static partial nuint ZSTD_compress(byte[] target, nuint targetSize, byte[] source, nuint sourceSize, int level);
}
