using ParquetSharp;

namespace KvShiftScale.Data.Shards.Format;

/// <summary>What a footer says of one row group of a column: of ids, of the mask beside them, or of texts. Nothing of it is believed yet.</summary>
internal readonly record struct ColumnChunk
{
    // A row group of 2^28 ids takes more than a GiB while it is decoded. No writer makes such row groups unless told to, but a few bytes of
    // runs can claim to be one.
    private const int LargestSlotCount = 1 << 28;

    /// <summary>Documents, empty ones included.</summary>
    public required long Rows { get; init; }

    /// <summary>Slots: ids, nulls, and one for each list that is empty or null.</summary>
    public required long Values { get; init; }

    /// <summary>Byte of the file at which the first page begins.</summary>
    public required long Start { get; init; }

    /// <summary>Bytes of all pages with their headers.</summary>
    public required long StoredBytes { get; init; }

    /// <summary>Number of the codec.</summary>
    public required Codec Codec { get; init; }

    /// <summary>Physical type, which the schema states as well.</summary>
    public required int Type { get; init; }

    /// <summary>Slots without a value, as the writer counts them; -1 where it does not say.</summary>
    public required long Nulls { get; init; }

    /// <summary>The smallest and the largest value, taken as signed numbers; null where the footer has none, or only bounds.</summary>
    public required StatedBounds Bounds { get; init; }

    /// <summary>Slots that hold an id, by the histogram of definition levels; -1 where there is none.</summary>
    public required long IdsByLevel { get; init; }

    /// <summary>The file that holds the pages, where it is another one.</summary>
    public required string? OtherFile { get; init; }

    /// <summary>Encrypted, or without metadata.</summary>
    public required bool IsHidden { get; init; }

    /// <summary>Why the chunk is not read, as far as the footer tells; null where it may be.</summary>
    /// <param name="footer">The footer that says this of it.</param>
    /// <param name="type">Physical type by the schema.</param>
    public string? FaultIn(ShardFooter footer, PhysicalType type)
    {
        if (IsHidden || !string.IsNullOrEmpty(OtherFile))
        {
            return IsHidden ? "it is encrypted, which is not supported" : $"its pages are in another file, {OtherFile}";
        }

        if (Codec is < Codec.None or Codec.Lzo or > Codec.Lz4Raw)
        {
            return $"codec {Codec} is not supported";
        }

        if (Type != (int)type)
        {
            return $"the footer states type {Type} for it, the schema {type}";
        }

        if (Values < 0 || Rows > Values)
        {
            return $"the footer states {Rows} rows and {Values} values; a row has at least one value";
        }

        if (Values > LargestSlotCount)
        {
            return $"the footer states {Values} values; row groups are decoded whole, up to {LargestSlotCount} values. Write the file with "
                + "smaller row groups; a million ids each are usual";
        }

        return Start < 0 || StoredBytes < Math.Min(Values, 1) || StoredBytes > footer.Start - Start || StoredBytes > Array.MaxLength
            ? $"the footer places {StoredBytes} bytes there; pages lie before the footer at byte {footer.Start}"
            : null;
    }
}
