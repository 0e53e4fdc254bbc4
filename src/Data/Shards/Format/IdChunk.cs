namespace KvShiftScale.Data.Shards.Format;

/// <summary>What a footer says of one row group of a column of ids, or of the mask beside them; nothing of it is believed yet.</summary>
internal readonly record struct IdChunk
{
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
}
