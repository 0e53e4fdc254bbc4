namespace KvShiftScale.Data.Shards.Format;

/// <summary>How pages are compressed; the numbers are those of the format's parquet.thrift.</summary>
internal enum Codec
{
    None = 0,
    Snappy = 1,
    Gzip = 2,
    Lzo = 3,
    Brotli = 4,
    Lz4 = 5,
    Zstd = 6,
    Lz4Raw = 7,
}
