namespace Parquet.Meta;

/// <summary>What the writer says about the values of a chunk. Minima and maxima are stored as the column's PLAIN encoding.</summary>
public class Statistics
{
    /// <summary>Deprecated maximum; compared as signed whatever the column's type.</summary>
    public byte[]? Max { get; set; }

    /// <summary>Deprecated minimum; compared as signed whatever the column's type.</summary>
    public byte[]? Min { get; set; }

    /// <summary>Slots without a value. Of a list column, null and empty lists count too.</summary>
    public long? NullCount { get; set; }

    public long? DistinctCount { get; set; }

    public byte[]? MaxValue { get; set; }

    public byte[]? MinValue { get; set; }

    public bool? IsMaxValueExact { get; set; }

    public bool? IsMinValueExact { get; set; }
}
