namespace Parquet.Meta;

/// <summary>One column of one row group.</summary>
public class ColumnChunk
{
    /// <summary>Another file that holds the pages; not supported.</summary>
    public string? FilePath { get; set; }

    public long FileOffset { get; set; }

    public ColumnMetaData? MetaData { get; set; }

    internal bool IsEncrypted { get; set; }
}
