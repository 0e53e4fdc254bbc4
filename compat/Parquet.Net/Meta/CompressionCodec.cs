namespace Parquet.Meta;

/// <summary>Compression of a column chunk as the file format numbers it; same numbers as <see cref="CompressionMethod"/>.</summary>
public enum CompressionCodec
{
    UNCOMPRESSED = 0,
    SNAPPY = 1,
    GZIP = 2,
    LZO = 3,
    BROTLI = 4,
    LZ4 = 5,
    ZSTD = 6,
    LZ4_RAW = 7,
}
