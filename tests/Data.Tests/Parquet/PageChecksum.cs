using System.Buffers.Binary;
using System.IO.Compression;
using KvShiftScale.Data.Shards;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>Gives the only page of a file the checksum that the format has for pages and our writer does not write.</summary>
internal static class PageChecksum
{
    public static void Insert(string path)
    {
        long start, stored;
        using (var shard = TokenShard.Open(path))
        {
            (start, stored) = (shard.Footer.Chunks[0].Start, shard.Footer.Chunks[0].StoredBytes);
        }

        // A header begins with three int32 fields: type, size, stored size; a byte 0x15 and a varint each. The next one, 0x2C, is two fields on.
        var file = File.ReadAllBytes(path);
        var at = (int)start;
        var size = 0u;
        for (var field = 0; field < 3; field++)
        {
            Assert.Equal(0x15, file[at++]);
            size = 0;
            for (var shift = 0; ; shift += 7)
            {
                size |= (uint)(file[at] & 0x7F) << shift;
                if (file[at++] < 0x80)
                {
                    break;
                }
            }
        }

        Assert.Equal(0x2C, file[at]);
        var page = file.AsSpan((int)(start + stored - (size >> 1)), (int)(size >> 1));
        List<byte> checksum = [0x15];
        var crc = Crc32(page);
        for (var left = (crc << 1) ^ (uint)((int)crc >> 31); ; left >>= 7)
        {
            checksum.Add((byte)(left < 0x80 ? left : left | 0x80));
            if (left < 0x80)
            {
                break;
            }
        }

        // The footer's sizes of the chunk have as many bytes as before, so that it stays as long as it is.
        var footerBytes = BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(file.Length - 8));
        var footer = file[^(footerBytes + 8)..];
        var from = Varint((ulong)stored);
        var to = Varint((ulong)(stored + checksum.Count));
        Assert.Equal(from.Length, to.Length);
        for (int index; (index = footer.AsSpan().IndexOf(from)) >= 0;)
        {
            to.CopyTo(footer, index);
        }

        File.WriteAllBytes(path, [.. file[..at], .. checksum, 0x1C, .. file[(at + 1)..^(footerBytes + 8)], .. footer]);
    }

    private static byte[] Varint(ulong value)
    {
        List<byte> bytes = [0x16];
        for (value <<= 1; value >= 0x80; value >>= 7)
        {
            bytes.Add((byte)(value | 0x80));
        }

        bytes.Add((byte)value);
        return [.. bytes];
    }

    // The trailer of a gzip file holds the same checksum, computed by zlib.
    private static uint Crc32(ReadOnlySpan<byte> page)
    {
        var gzip = new MemoryStream();
        using (var compressor = new GZipStream(gzip, CompressionLevel.Fastest, leaveOpen: true))
        {
            compressor.Write(page);
        }

        return BinaryPrimitives.ReadUInt32LittleEndian(gzip.ToArray().AsSpan((int)gzip.Length - 8));
    }
}
