namespace Parquet.Meta;

/// <summary>How often each level occurs in a chunk, where the writer counted.</summary>
public class SizeStatistics
{
    public long? UnencodedByteArrayDataBytes { get; set; }

    /// <summary>Slots by repetition level; the first entry is the number of rows.</summary>
    public List<long>? RepetitionLevelHistogram { get; set; }

    /// <summary>Slots by definition level; the last entry is the number of values.</summary>
    public List<long>? DefinitionLevelHistogram { get; set; }
}
