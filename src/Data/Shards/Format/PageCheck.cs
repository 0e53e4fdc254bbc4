using System.Buffers;
using System.IO.Compression;

namespace KvShiftScale.Data.Shards.Format;

/// <summary>
/// Walks over the pages of a chunk before the package decodes them: they must lie inside of it, be no larger than their codec can make
/// what is stored, and hold the values that the footer states.
/// </summary>
internal static class PageCheck
{
    // A page's memory is set aside on the word of its header. Some bytes more than a codec's longest match, for headers and short pages.
    private const long Slack = 1 << 10;
    private const long UsualBytes = 16 << 20;

    /// <summary>Checks all pages of a chunk.</summary>
    /// <param name="chunk">What the footer says of it.</param>
    /// <param name="pages">Its bytes.</param>
    /// <returns>Bytes of the largest page when it is decompressed.</returns>
    /// <exception cref="InvalidDataException">A page contradicts its surroundings; the message starts with its place.</exception>
    public static int LargestPage(in ColumnChunk chunk, ReadOnlySpan<byte> pages)
    {
        var (left, position, largest) = (chunk.Values, 0, 0);
        for (var page = 0; left > 0; page++)
        {
            try
            {
                var header = PageHeader.Read(pages[position..]);
                Check(chunk, header, pages[position..], left);
                left -= header.Type is PageHeader.Kind.Data or PageHeader.Kind.DataV2 ? header.Values : 0;
                position += header.ByteCount + header.StoredBytes;
                largest = Math.Max(largest, header.Bytes);
            }
            catch (InvalidDataException exception)
            {
                throw new InvalidDataException($"page {page} at byte {chunk.Start + position}: {exception.Message}", exception);
            }
        }

        return largest;
    }

    private static void Check(in ColumnChunk chunk, in PageHeader header, ReadOnlySpan<byte> rest, long valuesLeft)
    {
        if (header.StoredBytes > rest.Length - header.ByteCount)
        {
            throw new InvalidDataException($"{header.StoredBytes} bytes, of which the chunk has {rest.Length - header.ByteCount}");
        }

        var isData = header.Type is PageHeader.Kind.Data or PageHeader.Kind.DataV2;
        if (isData && header.Values > valuesLeft)
        {
            throw new InvalidDataException($"{header.Values} values, of which the footer leaves {valuesLeft}");
        }

        if (header.LevelBytes > Math.Min(header.StoredBytes, header.Bytes))
        {
            throw new InvalidDataException($"levels of {header.LevelBytes} bytes in a page of {header.StoredBytes}");
        }

        // An entry of a dictionary takes four or eight bytes.
        if (header.Type == PageHeader.Kind.Dictionary && header.Values * (long)WidthOf(chunk.Type) > header.Bytes)
        {
            throw new InvalidDataException($"a dictionary of {header.Values} entries in {header.Bytes} bytes");
        }

        if (isData || header.Type == PageHeader.Kind.Dictionary)
        {
            CheckSize(chunk.Codec, header, rest[header.ByteCount..][(int)header.LevelBytes..header.StoredBytes]);
        }
    }

    private static int WidthOf(int type) => type == 2 ? sizeof(long) : sizeof(int);

    private static void CheckSize(Codec codec, in PageHeader header, ReadOnlySpan<byte> stored)
    {
        var bytes = header.Bytes - header.LevelBytes;
        codec = header.IsCompressed ? codec : Codec.None;
        var largest = codec switch
        {
            Codec.None => stored.Length,

            // 64 bytes a match of three bytes.
            Codec.Snappy => (22L * stored.Length) + Slack,

            // Deflate: 258 bytes a match of two bits. LZ4: 255 bytes a byte of a length.
            Codec.Gzip => (1032L * stored.Length) + Slack,
            Codec.Lz4 or Codec.Lz4Raw => (255L * stored.Length) + Slack,

            // Blocks of up to 128 KiB, of which one takes four bytes at least.
            Codec.Zstd => (128L << 10) * ((stored.Length / 4L) + 1),

            // Brotli has no such bound: what is more than usual has to be shown.
            Codec.Brotli => bytes <= Math.Max(UsualBytes, 1024L * stored.Length) || BrotliLength(stored, bytes) == bytes ? bytes : 0,
            _ => throw new InvalidDataException($"codec {codec} is not supported"),
        };
        var isExact = codec is Codec.None or Codec.Snappy;
        if (bytes > largest || (isExact && bytes != (codec == Codec.None ? stored.Length : SnappyLength(stored))))
        {
            throw new InvalidDataException(
                $"the {header.Bytes} bytes that the page header states cannot come from {stored.Length} stored ones ({codec})");
        }
    }

    /// <summary>Bytes of a brotli stream when it is decompressed, counted up to somewhat more than <paramref name="enough"/>.</summary>
    private static long BrotliLength(ReadOnlySpan<byte> stored, long enough)
    {
        Span<byte> part = stackalloc byte[1 << 14];
        using var decoder = new BrotliDecoder();
        for (var length = 0L; ;)
        {
            var status = decoder.Decompress(stored, part, out var consumed, out var written);
            stored = stored[consumed..];
            length += written;
            if (status != OperationStatus.DestinationTooSmall || length > enough)
            {
                return status == OperationStatus.Done ? length : -1;
            }
        }
    }

    // A snappy stream begins with its length when it is decompressed.
    private static long? SnappyLength(ReadOnlySpan<byte> stored)
    {
        var length = 0L;
        for (var i = 0; i < Math.Min(5, stored.Length); i++)
        {
            length |= (long)(stored[i] & 0x7F) << (7 * i);
            if (stored[i] < 0x80)
            {
                return length;
            }
        }

        return null;
    }
}
