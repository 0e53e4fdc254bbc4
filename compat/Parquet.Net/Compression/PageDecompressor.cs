using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using System.Runtime.InteropServices;
using Parquet.Meta;

namespace Parquet.Compression;

/// <summary>
/// Decompresses pages into one buffer, which the next page overwrites. A page that claims to grow more than usual has to show it
/// before memory is set aside for the claim.
/// </summary>
internal sealed class PageDecompressor : IDisposable
{
    /// <summary>Debian's names of the libraries that some codecs need.</summary>
    public const string Packages = "libzstd1, liblz4-1 and libsnappy1v5";

    // Memory that a page gets on its word alone: this many bytes and this many times its stored size.
    private const int UnprovenBytes = 1 << 20;
    private const int UnprovenRatio = 16;

    // The two largest sizes mean that the frame states none, and that this is no frame.
    private const ulong ZstdSizeUnknown = ulong.MaxValue - 1;

    // Streaming keeps a window in memory that the frame chooses; 32 MiB are more than any level below 20 uses.
    private const int ZstdWindowParameter = 100;
    private const int ZstdLargestWindow = 25;
    private const int ZstdForgetFrame = 1;

    private const int HadoopPrefixBytes = 8;

    private byte[] _buffer = [];
    private ZstdDecompressionHandle? _zstd;

    /// <summary>Why pages of this codec cannot be read; null when they can.</summary>
    public static string? Refusal(CompressionCodec codec) => codec switch
    {
        CompressionCodec.LZO => "codec LZO is not supported; write the file with ZSTD or SNAPPY",
        _ when !Enum.IsDefined(codec) => $"codec {(int)codec} is not known; write the file with ZSTD or SNAPPY",
        _ => null,
    };

    /// <param name="codec">One that <see cref="Refusal"/> accepts.</param>
    /// <param name="stored">The page as the file holds it; must be backed by an array.</param>
    /// <param name="size">Uncompressed bytes as the page header states them.</param>
    /// <returns>The uncompressed page, valid until the next call.</returns>
    public ReadOnlySpan<byte> Decompress(CompressionCodec codec, ReadOnlyMemory<byte> stored, int size)
    {
        if (codec == CompressionCodec.UNCOMPRESSED)
        {
            return stored.Length == size
                ? stored.Span
                : throw new DecodeException($"an uncompressed page of {stored.Length} bytes whose header says {size}");
        }

        if (size == 0)
        {
            return [];
        }

        RequirePlausible(codec, stored.Length, size);
        try
        {
            return codec switch
            {
                CompressionCodec.SNAPPY => DecodeSnappy(stored.Span, size),
                CompressionCodec.GZIP => DecodeGzip(stored, size),
                CompressionCodec.BROTLI => DecodeBrotli(stored.Span, size),
                CompressionCodec.LZ4_RAW => DecodeLz4(stored.Span, size),
                CompressionCodec.LZ4 => DecodeOldLz4(stored.Span, size),
                _ => DecodeZstd(stored.Span, size),
            };
        }
        catch (DllNotFoundException e)
        {
            throw new DecodeException($"codec {codec} needs a system library; install {Packages} ({e.Message})", e);
        }
    }

    public void Dispose()
    {
        _zstd?.Dispose();
        _zstd = null;
        _buffer = [];
    }

    // The most that a byte of each codec can stand for. A copy of Brotli may be 16 MiB long, so there it is left to what comes out.
    private static void RequirePlausible(CompressionCodec codec, int storedSize, int size)
    {
        var largestRatio = codec switch
        {
            CompressionCodec.SNAPPY => 64,
            CompressionCodec.LZ4_RAW or CompressionCodec.LZ4 => 256,
            CompressionCodec.GZIP => 1040,
            CompressionCodec.BROTLI => 1 << 24,
            _ => 64 * 1024,
        };
        if (size < 0 || size > ((long)storedSize * largestRatio) + 1024)
        {
            throw new DecodeException($"{storedSize} bytes of {codec} cannot hold the {size} bytes that the page header states");
        }
    }

    // What a page may have before it has shown more.
    private static int UnprovenSize(int storedSize, int size)
        => (int)Math.Min(size, UnprovenBytes + ((long)storedSize * UnprovenRatio));

    // A buffer of `size` bytes that begins with the `kept` bytes written so far.
    private Span<byte> Grow(int size, int kept)
    {
        if (_buffer.Length < size)
        {
            var larger = GC.AllocateUninitializedArray<byte>(size);
            _buffer.AsSpan(0, kept).CopyTo(larger);
            _buffer = larger;
        }

        return _buffer.AsSpan(0, size);
    }

    private unsafe Span<byte> DecodeSnappy(ReadOnlySpan<byte> stored, int size)
    {
        fixed (byte* source = stored)
        {
            var sourceSize = (nuint)stored.Length;
            if (SnappyLibrary.snappy_uncompressed_length(source, sourceSize, out var stated) != 0)
            {
                throw new DecodeException("the Snappy block has no valid size");
            }

            if (stated != (nuint)size)
            {
                throw new DecodeException($"the Snappy block holds {stated} bytes where the page header says {size}");
            }

            // The validation costs about as much as the decompression, so only doubtful pages have it first.
            var isDoubtful = UnprovenSize(stored.Length, size) < size;
            if (isDoubtful && SnappyLibrary.snappy_validate_compressed_buffer(source, sourceSize) != 0)
            {
                throw new DecodeException("damaged SNAPPY data");
            }

            var target = Grow(size, 0);
            fixed (byte* destination = target)
            {
                var written = (nuint)size;
                return SnappyLibrary.snappy_uncompress(source, sourceSize, destination, ref written) == 0 && written == (nuint)size
                    ? target
                    : throw new DecodeException("damaged SNAPPY data");
            }
        }
    }

    private Span<byte> DecodeGzip(ReadOnlyMemory<byte> stored, int size)
    {
        if (!MemoryMarshal.TryGetArray(stored, out var segment))
        {
            throw new InvalidOperationException("A page must be backed by an array.");
        }

        try
        {
            using var input = new MemoryStream(segment.Array!, segment.Offset, segment.Count, writable: false);
            using var gzip = new GZipStream(input, CompressionMode.Decompress);
            var written = 0;
            for (var room = UnprovenSize(stored.Length, size); ; room = (int)Math.Min(size, 2L * room))
            {
                var target = Grow(room, written);
                written += gzip.ReadAtLeast(target[written..], room - written, throwOnEndOfStream: false);
                if (written < room || room == size)
                {
                    RequireSize(written, size);
                    return target;
                }
            }
        }
        catch (InvalidDataException e)
        {
            throw new DecodeException("damaged GZIP data", e);
        }
    }

    private Span<byte> DecodeBrotli(ReadOnlySpan<byte> stored, int size)
    {
        using var decoder = default(BrotliDecoder);
        var written = 0;
        for (var room = UnprovenSize(stored.Length, size); ; room = (int)Math.Min(size, 2L * room))
        {
            var target = Grow(room, written);
            var status = decoder.Decompress(stored, target[written..], out var consumed, out var count);
            stored = stored[consumed..];
            written += count;
            if (status != OperationStatus.DestinationTooSmall || room == size)
            {
                RequireSize(status == OperationStatus.Done ? written : -1, size);
                return target;
            }
        }
    }

    private unsafe Span<byte> DecodeLz4(ReadOnlySpan<byte> stored, int size)
    {
        fixed (byte* source = stored)
        {
            for (var room = UnprovenSize(stored.Length, size); room < size; room = (int)Math.Min(size, 8L * room))
            {
                fixed (byte* destination = Grow(room, 0))
                {
                    if (Lz4Library.LZ4_decompress_safe_partial(source, destination, stored.Length, room, room) < room)
                    {
                        throw new DecodeException($"damaged data, or not the {size} bytes that the page header states");
                    }
                }
            }

            var target = Grow(size, 0);
            fixed (byte* destination = target)
            {
                RequireSize(Lz4Library.LZ4_decompress_safe(source, destination, stored.Length, size), size);
            }

            return target;
        }
    }

    // The deprecated codec 5 is meant to be blocks as Hadoop frames them (uncompressed and compressed size, both big-endian, then the
    // block), but some writers put a raw block there.
    private Span<byte> DecodeOldLz4(ReadOnlySpan<byte> stored, int size)
    {
        if (!IsHadoopFramed(stored, size))
        {
            return DecodeLz4(stored, size);
        }

        var written = 0;
        while (written < size)
        {
            var blockSize = BinaryPrimitives.ReadInt32BigEndian(stored);
            var block = stored.Slice(HadoopPrefixBytes, BinaryPrimitives.ReadInt32BigEndian(stored[4..]));
            written += DecodeLz4Block(block, written, blockSize);
            stored = stored[(HadoopPrefixBytes + block.Length)..];
        }

        return _buffer.AsSpan(0, size);
    }

    // Appends a block to the buffer, which grows block by block.
    private unsafe int DecodeLz4Block(ReadOnlySpan<byte> block, int written, int blockSize)
    {
        RequirePlausible(CompressionCodec.LZ4, block.Length, blockSize);
        var target = Grow(written + blockSize, written)[written..];
        fixed (byte* source = block, destination = target)
        {
            RequireSize(Lz4Library.LZ4_decompress_safe(source, destination, block.Length, blockSize), blockSize);
        }

        return blockSize;
    }

    private static bool IsHadoopFramed(ReadOnlySpan<byte> stored, int size)
    {
        var total = 0L;
        while (stored.Length >= HadoopPrefixBytes)
        {
            var (blockSize, byteCount) = (BinaryPrimitives.ReadInt32BigEndian(stored), BinaryPrimitives.ReadInt32BigEndian(stored[4..]));
            if (blockSize <= 0 || byteCount <= 0 || byteCount > stored.Length - HadoopPrefixBytes)
            {
                return false;
            }

            total += blockSize;
            stored = stored[(HadoopPrefixBytes + byteCount)..];
        }

        return stored.IsEmpty && total == size;
    }

    // Some writers put a wrong size into the page header; where the zstd frame states one, that one counts.
    private unsafe Span<byte> DecodeZstd(ReadOnlySpan<byte> stored, int size)
    {
        _zstd ??= new ZstdDecompressionHandle();
        fixed (byte* source = stored)
        {
            var frameSize = ZstdLibrary.ZSTD_getFrameContentSize(source, (nuint)stored.Length);
            if (frameSize < ZstdSizeUnknown)
            {
                size = (int)Math.Min(frameSize, int.MaxValue);
                RequirePlausible(CompressionCodec.ZSTD, stored.Length, size);
            }

            if (UnprovenSize(stored.Length, size) < size)
            {
                size = ZstdSize(source, stored.Length, size);
            }

            var target = Grow(size, 0);
            fixed (byte* destination = target)
            {
                var written = ZstdLibrary.ZSTD_decompressDCtx(_zstd, destination, (nuint)size, source, (nuint)stored.Length);
                return ZstdLibrary.ZSTD_isError(written) == 0
                    ? target[..(int)written]
                    : throw new DecodeException($"damaged ZSTD data: {ZstdLibrary.ErrorName(written)}");
            }
        }
    }

    // Decompresses into a small buffer, over and over, and counts.
    private unsafe int ZstdSize(byte* source, int sourceSize, int size)
    {
        _ = ZstdLibrary.ZSTD_DCtx_setParameter(_zstd!, ZstdWindowParameter, ZstdLargestWindow);
        var input = new ZstdInput { Source = source, Size = (nuint)sourceSize };
        var total = 0L;
        var rest = (nuint)1;
        fixed (byte* target = Grow(UnprovenBytes, 0))
        {
            while (total <= size && (rest != 0 || input.Position < input.Size))
            {
                var output = new ZstdOutput { Target = target, Size = UnprovenBytes };
                rest = ZstdLibrary.ZSTD_decompressStream(_zstd!, &output, &input);
                if (ZstdLibrary.ZSTD_isError(rest) != 0 || (output.Position == 0 && input.Position == input.Size && rest != 0))
                {
                    _ = ZstdLibrary.ZSTD_DCtx_reset(_zstd!, ZstdForgetFrame);
                    throw new DecodeException(ZstdLibrary.ZSTD_isError(rest) != 0
                        ? $"damaged ZSTD data: {ZstdLibrary.ErrorName(rest)}"
                        : "the ZSTD data ends too early");
                }

                total += (long)output.Position;
            }
        }

        _ = ZstdLibrary.ZSTD_DCtx_reset(_zstd!, ZstdForgetFrame);
        return total <= size
            ? (int)total
            : throw new DecodeException($"more ZSTD data than the {size} bytes that the page header states");
    }

    private static void RequireSize(int written, int size)
    {
        if (written != size)
        {
            throw new DecodeException(written < 0
                ? $"damaged data, or not the {size} bytes that the page header states"
                : $"the page decompresses to {written} bytes where its header says {size}");
        }
    }
}
