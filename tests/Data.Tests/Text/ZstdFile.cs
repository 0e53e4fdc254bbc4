using System.Text;
using ZstdSharp;

namespace KvShiftScale.Data.Tests.Text;

/// <summary>zstd frames.</summary>
internal static class ZstdFile
{
    public static byte[] Compress(string text) => Compress(Encoding.UTF8.GetBytes(text));

    public static byte[] Compress(byte[] content)
    {
        using var compressor = new Compressor(3);
        return compressor.Wrap(content).ToArray();
    }
}
