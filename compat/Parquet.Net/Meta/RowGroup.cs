namespace Parquet.Meta;

/// <summary>A horizontal slice of the table: one chunk for every leaf of the schema, in the schema's order.</summary>
public class RowGroup
{
    public List<ColumnChunk> Columns { get; set; } = [];

    /// <summary>Uncompressed bytes of all column chunks.</summary>
    public long TotalByteSize { get; set; }

    public long NumRows { get; set; }

    public long? FileOffset { get; set; }

    /// <summary>Stored bytes of all column chunks.</summary>
    public long? TotalCompressedSize { get; set; }

    public short? Ordinal { get; set; }
}
