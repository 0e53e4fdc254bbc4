using System.Buffers;
using System.IO.Compression;

namespace Parquet.Compression;

/// <summary>Compresses pages, one after the other, into one buffer.</summary>
internal sealed class PageCompressor : IDisposable
{
    // Window size of the encoder, as a power of two; 22 is the library's own default.
    private const int BrotliWindow = 22;

    private readonly CompressionMethod _method;
    private readonly CompressionLevel _level;
    private byte[] _buffer = [];
    private ZstdCompressionHandle? _zstd;

    public PageCompressor(CompressionMethod method, CompressionLevel level)
    {
        if (method is CompressionMethod.LZ4 or CompressionMethod.Lzo || !Enum.IsDefined(method))
        {
            throw new NotSupportedException($"Compression {method} cannot be written; choose Zstd, Snappy, Gzip, Brotli, Lz4Raw or None.");
        }

        _method = method;
        _level = level;
    }

    /// <returns>The page to store, valid until the next call or until <paramref name="page"/> changes.</returns>
    public ReadOnlyMemory<byte> Compress(ReadOnlyMemory<byte> page)
    {
        try
        {
            return _method switch
            {
                CompressionMethod.None => page,
                CompressionMethod.Snappy => EncodeSnappy(page.Span),
                CompressionMethod.Gzip => EncodeGzip(page.Span),
                CompressionMethod.Brotli => EncodeBrotli(page.Span),
                CompressionMethod.Lz4Raw => EncodeLz4(page.Span),
                _ => EncodeZstd(page.Span),
            };
        }
        catch (DllNotFoundException e)
        {
            throw new ParquetException($"Compression {_method} needs a system library; install {PageDecompressor.Packages} ({e.Message}).", e);
        }
    }

    public void Dispose()
    {
        _zstd?.Dispose();
        if (_buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = [];
        }
    }

    private byte[] Buffer(int size)
    {
        if (_buffer.Length < size)
        {
            if (_buffer.Length > 0)
            {
                ArrayPool<byte>.Shared.Return(_buffer);
                _buffer = [];
            }

            _buffer = ArrayPool<byte>.Shared.Rent(size);
        }

        return _buffer;
    }

    private ReadOnlyMemory<byte> EncodeGzip(ReadOnlySpan<byte> page)
    {
        var output = new MemoryStream();
        using (var gzip = new GZipStream(output, _level, leaveOpen: true))
        {
            gzip.Write(page);
        }

        return output.GetBuffer().AsMemory(0, (int)output.Length);
    }

    private ReadOnlyMemory<byte> EncodeBrotli(ReadOnlySpan<byte> page)
    {
        var quality = _level switch
        {
            CompressionLevel.SmallestSize => 11,
            CompressionLevel.Optimal => 4,
            _ => 1,
        };
        var target = Buffer(BrotliEncoder.GetMaxCompressedLength(page.Length));
        return BrotliEncoder.TryCompress(page, target, out var written, quality, BrotliWindow)
            ? target.AsMemory(0, written)
            : throw new ParquetException($"Brotli could not compress a page of {page.Length} bytes.");
    }

    private unsafe ReadOnlyMemory<byte> EncodeSnappy(ReadOnlySpan<byte> page)
    {
        var target = Buffer(checked((int)SnappyLibrary.snappy_max_compressed_length((nuint)page.Length)));
        fixed (byte* source = page, destination = target)
        {
            var written = (nuint)target.Length;
            return SnappyLibrary.snappy_compress(source, (nuint)page.Length, destination, ref written) == 0
                ? target.AsMemory(0, (int)written)
                : throw new ParquetException($"Snappy could not compress a page of {page.Length} bytes.");
        }
    }

    private unsafe ReadOnlyMemory<byte> EncodeLz4(ReadOnlySpan<byte> page)
    {
        var target = Buffer(Lz4Library.LZ4_compressBound(page.Length));
        fixed (byte* source = page, destination = target)
        {
            var written = Lz4Library.LZ4_compress_default(source, destination, page.Length, target.Length);
            return written > 0
                ? target.AsMemory(0, written)
                : throw new ParquetException($"LZ4 could not compress a page of {page.Length} bytes.");
        }
    }

    private unsafe ReadOnlyMemory<byte> EncodeZstd(ReadOnlySpan<byte> page)
    {
        var zstdLevel = _level switch
        {
            CompressionLevel.SmallestSize => 19,
            CompressionLevel.Optimal => 3,
            _ => 1,
        };
        _zstd ??= new ZstdCompressionHandle();
        var target = Buffer(checked((int)ZstdLibrary.ZSTD_compressBound((nuint)page.Length)));
        fixed (byte* source = page, destination = target)
        {
            var written = ZstdLibrary.ZSTD_compressCCtx(
                _zstd, destination, (nuint)target.Length, source, (nuint)page.Length, zstdLevel);
            return ZstdLibrary.ZSTD_isError(written) == 0
                ? target.AsMemory(0, (int)written)
                : throw new ParquetException($"zstd could not compress a page of {page.Length} bytes: {ZstdLibrary.ErrorName(written)}.");
        }
    }
}
