namespace Parquet.Meta;

/// <summary>Where the pages of a column chunk lie and how they are stored.</summary>
public class ColumnMetaData
{
    public Type Type { get; set; }

    public List<Encoding> Encodings { get; set; } = [];

    public List<string> PathInSchema { get; set; } = [];

    public CompressionCodec Codec { get; set; }

    /// <summary>Slots of the chunk: values, nulls and empty lists. As untrusted as everything in the file.</summary>
    public long NumValues { get; set; }

    /// <summary>Bytes of all pages with their headers, uncompressed.</summary>
    public long TotalUncompressedSize { get; set; }

    /// <summary>Bytes of all pages with their headers, as stored.</summary>
    public long TotalCompressedSize { get; set; }

    public List<KeyValue>? KeyValueMetadata { get; set; }

    /// <summary>Byte offset in the file of the first data page; some writers point it at the dictionary page.</summary>
    public long DataPageOffset { get; set; }

    public long? IndexPageOffset { get; set; }

    /// <summary>Byte offset in the file of the dictionary page; some writers leave it out, others write 0.</summary>
    public long? DictionaryPageOffset { get; set; }

    public Statistics? Statistics { get; set; }

    public SizeStatistics? SizeStatistics { get; set; }
}
