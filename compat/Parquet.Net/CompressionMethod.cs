namespace Parquet;

/// <summary>How pages are compressed. <see cref="Lzo"/> and the deprecated <see cref="LZ4"/> are refused.</summary>
public enum CompressionMethod
{
    None = 0,
    Snappy = 1,
    Gzip = 2,
    Lzo = 3,
    Brotli = 4,
    LZ4 = 5,
    Zstd = 6,
    Lz4Raw = 7,
}
