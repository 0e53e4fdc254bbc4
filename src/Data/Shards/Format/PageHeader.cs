namespace KvShiftScale.Data.Shards.Format;

/// <summary>What precedes each page. Source: the Parquet format's parquet.thrift.</summary>
internal readonly record struct PageHeader
{
    /// <summary>Kinds of pages that hold ids or their dictionary.</summary>
    public enum Kind
    {
        Data = 0,
        Index = 1,
        Dictionary = 2,
        DataV2 = 3,
    }

    public required Kind Type { get; init; }

    /// <summary>Bytes of the header itself.</summary>
    public required int ByteCount { get; init; }

    /// <summary>Bytes of the page in the file.</summary>
    public required int StoredBytes { get; init; }

    /// <summary>Bytes of the page when it is decompressed; of a V2 page with its levels, which are not compressed.</summary>
    public required int Bytes { get; init; }

    /// <summary>Slots, or entries of the dictionary.</summary>
    public required int Values { get; init; }

    /// <summary>Bytes of the levels of a V2 page.</summary>
    public required long LevelBytes { get; init; }

    /// <summary>False for a V2 page that is stored as it is, whatever the codec.</summary>
    public required bool IsCompressed { get; init; }

    /// <summary>Reads the header at the start of <paramref name="data"/>.</summary>
    /// <exception cref="InvalidDataException">It is none.</exception>
    public static PageHeader Read(ReadOnlySpan<byte> data)
    {
        var reader = new ThriftReader(data);
        int? type = null, bytes = null, storedBytes = null;
        int? values = null, dictionaryValues = null, valuesV2 = null;
        var levelBytes = 0L;
        var isCompressed = true;
        for (var id = 0; reader.Next(ref id, out var kind);)
        {
            switch (id)
            {
                case 1:
                    type = reader.Int32(id, kind);
                    break;
                case 2:
                    bytes = reader.Int32(id, kind);
                    break;
                case 3:
                    storedBytes = reader.Int32(id, kind);
                    break;
                case 5:
                    reader.Struct(id, kind);
                    values = ReadCount(ref reader);
                    break;
                case 7:
                    reader.Struct(id, kind);
                    dictionaryValues = ReadCount(ref reader);
                    break;
                case 8:
                    reader.Struct(id, kind);
                    (valuesV2, levelBytes, isCompressed) = ReadVersion2(ref reader);
                    break;
                default:
                    reader.Skip(kind);
                    break;
            }
        }

        var count = (Kind?)type switch
        {
            Kind.Data => values,
            Kind.Dictionary => dictionaryValues,
            Kind.DataV2 => valuesV2,
            _ => 0,
        };
        if (type is null || bytes is not >= 0 || storedBytes is not >= 0 || count is not >= 0)
        {
            throw new InvalidDataException($"a header of type {type} with {bytes} bytes, {storedBytes} stored ones and {count} values");
        }

        var isV2 = type == (int)Kind.DataV2;
        return new PageHeader
        {
            Type = (Kind)type.Value,
            ByteCount = reader.Position,
            StoredBytes = storedBytes.Value,
            Bytes = bytes.Value,
            Values = count.Value,
            LevelBytes = isV2 ? levelBytes : 0,
            IsCompressed = !isV2 || isCompressed,
        };
    }

    // Data pages V1 and dictionary pages have their count at the same place.
    private static int? ReadCount(ref ThriftReader reader)
    {
        int? count = null;
        for (var id = 0; reader.Next(ref id, out var kind);)
        {
            if (id == 1)
            {
                count = reader.Int32(id, kind);
            }
            else
            {
                reader.Skip(kind);
            }
        }

        return count;
    }

    private static (int? Count, long LevelBytes, bool IsCompressed) ReadVersion2(ref ThriftReader reader)
    {
        int? count = null, definition = null, repetition = null;
        var isCompressed = true;
        for (var id = 0; reader.Next(ref id, out var kind);)
        {
            switch (id)
            {
                case 1:
                    count = reader.Int32(id, kind);
                    break;
                case 5:
                    definition = reader.Int32(id, kind);
                    break;
                case 6:
                    repetition = reader.Int32(id, kind);
                    break;
                case 7:
                    isCompressed = reader.Bool(id, kind);
                    break;
                default:
                    reader.Skip(kind);
                    break;
            }
        }

        return definition is >= 0 && repetition is >= 0
            ? (count, (long)definition + repetition.Value, isCompressed)
            : throw new InvalidDataException($"levels of {definition} and {repetition} bytes");
    }
}
