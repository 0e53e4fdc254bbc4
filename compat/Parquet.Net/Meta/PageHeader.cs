namespace Parquet.Meta;

/// <summary>What precedes each page. The members of the three header kinds that matter here are merged into one.</summary>
internal struct PageHeader
{
    public PageHeader()
    {
    }

    public PageType Type { get; set; }

    public int UncompressedPageSize { get; set; }

    public int CompressedPageSize { get; set; }

    /// <summary>CRC-32 (gzip polynomial) of the page as stored, header excluded.</summary>
    public int? Crc { get; set; }

    /// <summary>Slots of a data page, entries of a dictionary page.</summary>
    public int ValueCount { get; set; }

    public Encoding Encoding { get; set; }

    /// <summary>V2 only; absent in the file means true.</summary>
    public bool IsCompressed { get; set; } = true;

    /// <summary>V2 only.</summary>
    public int DefinitionLevelsByteCount { get; set; }

    /// <summary>V2 only.</summary>
    public int RepetitionLevelsByteCount { get; set; }
}
