using System.Buffers;
using System.IO.Compression;
using System.Runtime.InteropServices;
using Parquet.Meta;

namespace Parquet.Compression;

/// <summary>Decompresses the pages of one column chunk into one buffer, which the next page overwrites.</summary>
internal sealed class PageDecompressor(CompressionCodec codec) : IDisposable
{
    // The two largest sizes mean that the frame states none, and that this is no frame.
    private const ulong ZstdSizeUnknown = ulong.MaxValue - 1;

    private byte[] _buffer = [];
    private ZstdDecompressionHandle? _zstd;

    /// <summary>Why pages of this codec cannot be read; null when they can.</summary>
    public static string? Refusal(CompressionCodec codec) => codec switch
    {
        CompressionCodec.LZ4 => "codec LZ4 (the deprecated, ambiguous one) is not supported; write the file with LZ4_RAW or ZSTD",
        CompressionCodec.LZO => "codec LZO is not supported; write the file with ZSTD or SNAPPY",
        _ when !Enum.IsDefined(codec) => $"codec {(int)codec} is not known; write the file with ZSTD or SNAPPY",
        _ => null,
    };

    /// <param name="stored">The page as the file holds it; must be backed by an array.</param>
    /// <param name="size">Uncompressed bytes as the page header states them.</param>
    /// <returns>The uncompressed page, valid until the next call.</returns>
    public ReadOnlySpan<byte> Decompress(ReadOnlyMemory<byte> stored, int size)
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

        RequirePlausible(stored.Length, size);
        try
        {
            return codec switch
            {
                CompressionCodec.SNAPPY => DecodeSnappy(stored.Span, size),
                CompressionCodec.GZIP => DecodeGzip(stored, size),
                CompressionCodec.BROTLI => DecodeBrotli(stored.Span, size),
                CompressionCodec.LZ4_RAW => DecodeLz4(stored.Span, size),
                _ => DecodeZstd(stored.Span, size),
            };
        }
        catch (DllNotFoundException e)
        {
            throw new DecodeException($"codec {codec} needs a system library; install libzstd1 or liblz4-1 ({e.Message})", e);
        }
    }

    public void Dispose()
    {
        _zstd?.Dispose();
        ReturnBuffer();
    }

    // The most that a byte of each codec can stand for, so that a damaged size cannot demand much more memory than the page deserves.
    private void RequirePlausible(int storedSize, int size)
    {
        var largestRatio = codec switch
        {
            CompressionCodec.SNAPPY => 64,
            CompressionCodec.LZ4_RAW => 256,
            CompressionCodec.GZIP => 1040,
            _ => 64 * 1024,
        };
        if (size < 0 || size > ((long)storedSize * largestRatio) + 1024)
        {
            throw new DecodeException($"{storedSize} bytes of {codec} cannot hold the {size} bytes that the page header states");
        }
    }

    private Span<byte> Target(int size) => Grow(size, 0);

    // A buffer of `size` bytes that begins with the `kept` bytes written so far.
    private Span<byte> Grow(int size, int kept)
    {
        if (_buffer.Length < size)
        {
            var larger = ArrayPool<byte>.Shared.Rent(size);
            _buffer.AsSpan(0, kept).CopyTo(larger);
            ReturnBuffer();
            _buffer = larger;
        }

        return _buffer.AsSpan(0, size);
    }

    private void ReturnBuffer()
    {
        if (_buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = [];
        }
    }

    private Span<byte> DecodeSnappy(ReadOnlySpan<byte> stored, int size)
    {
        SnappyBlock.RequireSize(stored, size);
        var target = Target(size);
        SnappyBlock.Decode(stored, target);
        return target;
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
            var target = Target(size);
            RequireSize(gzip.ReadAtLeast(target, size, throwOnEndOfStream: false), size);
            return target;
        }
        catch (InvalidDataException e)
        {
            throw new DecodeException($"damaged GZIP data: {e.Message}", e);
        }
    }

    // A few bytes of Brotli can stand for megabytes, so the buffer grows with what has really come out.
    private Span<byte> DecodeBrotli(ReadOnlySpan<byte> stored, int size)
    {
        using var decoder = default(BrotliDecoder);
        var written = 0;
        for (var room = (int)Math.Min(size, 4096L + (64L * stored.Length)); ; room = (int)Math.Min(size, 2L * room))
        {
            var grown = Grow(room, written);
            var status = decoder.Decompress(stored, grown[written..], out var consumed, out var count);
            stored = stored[consumed..];
            written += count;
            if (status != OperationStatus.DestinationTooSmall || room == size)
            {
                RequireSize(status == OperationStatus.Done ? written : -1, size);
                return grown;
            }
        }
    }

    private unsafe Span<byte> DecodeLz4(ReadOnlySpan<byte> stored, int size)
    {
        var target = Target(size);
        fixed (byte* source = stored, destination = target)
        {
            RequireSize(Lz4Library.LZ4_decompress_safe(source, destination, stored.Length, size), size);
        }

        return target;
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
                RequirePlausible(stored.Length, size);
            }

            var target = Target(size);
            fixed (byte* destination = target)
            {
                var written = ZstdLibrary.ZSTD_decompressDCtx(_zstd, destination, (nuint)size, source, (nuint)stored.Length);
                return ZstdLibrary.ZSTD_isError(written) == 0
                    ? target[..(int)written]
                    : throw new DecodeException($"damaged ZSTD data: {ZstdLibrary.ErrorName(written)}");
            }
        }
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
