using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using Parquet;
using Parquet.Schema;
using ColumnMetaData = Parquet.Meta.ColumnMetaData;

namespace KvShiftScale.Data.Shards;

/// <summary>
/// The list column of a shard's ids and how it becomes documents: three-level lists, two-level ones and a bare repeated number; every
/// integer type that holds an id.
/// </summary>
internal sealed class IdColumn
{
    // A row group of 2^28 ids takes some 4 GiB while it is decoded. No writer makes such row groups unless told to, but a few bytes of
    // runs can claim to be one.
    private const int LargestSlotCount = 1 << 28;

    private readonly DataField _field;

    // Definition level of a slot that belongs to an element: a list that is null or empty has its only slot below it.
    private readonly int _elementLevel;

    /// <exception cref="InvalidDataException">The schema has no usable <c>input_ids</c>; the message names the file.</exception>
    public IdColumn(string path, ParquetSchema schema)
    {
        var fields = schema.DataFields.Where(field => field.Path.FirstPart == TokenShard.ColumnName).ToArray();
        if (fields.Length == 0)
        {
            var names = string.Join(", ", schema.Fields.Select(field => field.Name));
            throw new InvalidDataException(
                $"{path}: there is no column {TokenShard.ColumnName}; its columns are: {names}. A token shard holds a list of ids per "
                + "document; text becomes shards with 'kvshift data prepare'.");
        }

        _field = fields[0];
        if (fields.Length > 1 || _field.MaxRepetitionLevel != 1 || _field.Path.Length > 3)
        {
            throw new InvalidDataException(
                $"{path}: column {TokenShard.ColumnName} (leaf {_field.Path}, {_field.MaxRepetitionLevel} repeated levels) is not a list "
                + "of numbers; write it as a list of int32.");
        }

        if (!IsIdType(_field.ClrType))
        {
            throw new InvalidDataException(
                $"{path}: column {TokenShard.ColumnName} holds {_field.ClrType.Name}; ids must be integers of 8 to 64 bits. "
                + "Write it as a list of int32.");
        }

        _elementLevel = _field.MaxDefinitionLevel - (_field.IsNullable && !_field.IsArray ? 1 : 0);
    }

    /// <summary>Most bytes that decoding a row group has taken so far: ids, offsets, levels, and ids before they became int32.</summary>
    public long PeakDecodedBytes { get; private set; }

    /// <summary>Rows, slots (ids, nulls and empty lists) and slots without a value, as the footer states them.</summary>
    /// <exception cref="InvalidDataException">They contradict one another, or are more than is read.</exception>
    public (int Rows, int Slots, long? Nulls) Extent(ParquetRowGroupReader group)
    {
        var chunk = Chunk(group);
        if (chunk.NumValues < 0 || group.RowCount < 0 || group.RowCount > chunk.NumValues)
        {
            throw new InvalidDataException(
                $"{PlaceOf(group)}: the footer states {group.RowCount} rows and {chunk.NumValues} values; a row has at least one value");
        }

        if (chunk.NumValues > LargestSlotCount)
        {
            throw new InvalidDataException(
                $"{PlaceOf(group)}: the footer states {chunk.NumValues} values; row groups are decoded whole, up to {LargestSlotCount} values. "
                + "Write the file with smaller row groups; a million ids each are usual");
        }

        return ((int)group.RowCount, (int)chunk.NumValues, chunk.Statistics?.NullCount);
    }

    /// <summary>Slots without a value as the footer's histogram of definition levels has them; null where it has none.</summary>
    public long? NullsByLevel(ParquetRowGroupReader group)
    {
        var chunk = Chunk(group);
        return chunk.SizeStatistics?.DefinitionLevelHistogram is { } slots && slots.Count == _field.MaxDefinitionLevel + 1
            ? chunk.NumValues - slots[^1]
            : null;
    }

    /// <summary>The smallest and the largest id of a row group, as the footer states them; null where it does not, or contradicts itself.</summary>
    public IdRange? StatedIds(ParquetRowGroupReader group)
    {
        if (Chunk(group).Statistics is not { } statistics || statistics.IsMinValueExact == false || statistics.IsMaxValueExact == false)
        {
            return null;
        }

        // The older fields have no order that holds for unsigned numbers.
        var isSigned = _field.ClrType == typeof(int) || _field.ClrType == typeof(long) || _field.ClrType == typeof(short);
        var smallest = StatedId(statistics.MinValue ?? (isSigned ? statistics.Min : null), isSigned);
        var largest = StatedId(statistics.MaxValue ?? (isSigned ? statistics.Max : null), isSigned);
        return smallest is { } first && largest is { } last && first <= last ? new IdRange(first, last) : null;
    }

    private static long? StatedId(byte[]? stated, bool isSigned) => stated switch
    {
        { Length: sizeof(int) } => isSigned ? BinaryPrimitives.ReadInt32LittleEndian(stated) : BinaryPrimitives.ReadUInt32LittleEndian(stated),
        // Beyond the largest signed number is beyond every vocabulary.
        { Length: sizeof(long) } => isSigned ? BinaryPrimitives.ReadInt64LittleEndian(stated)
            : (long)Math.Min(BinaryPrimitives.ReadUInt64LittleEndian(stated), long.MaxValue),
        _ => null,
    };

    /// <summary>What messages say about where the ids of a row group lie in the file.</summary>
    public string PlaceOf(ParquetRowGroupReader group) => $"column {_field.Path}: chunk at byte {Chunk(group).DataPageOffset}";

    /// <summary>Decodes a row group.</summary>
    /// <exception cref="InvalidDataException">
    /// The data contradicts the footer, or an id is null or no int32; the message starts with the place.
    /// </exception>
    public void Read(ParquetRowGroupReader group, DocumentGroup destination)
    {
        var (rows, slots, _) = Extent(group);
        var (ids, offsets) = destination.Begin(slots, rows);
        var wideBytes = _field.ClrType == typeof(int) ? 0 : Marshal.SizeOf(_field.ClrType);
        PeakDecodedBytes = Math.Max(PeakDecodedBytes, ((long)slots * (3 * sizeof(int) + wideBytes)) + ((rows + 1L) * sizeof(int)));
        if (slots > 0)
        {
            var buffers = RowGroupBuffers.Rent();
            try
            {
                ReadSlots(group, buffers, ids.AsMemory(0, slots), offsets.AsSpan(0, rows + 1));
            }
            catch (DocumentException exception)
            {
                throw new InvalidDataException($"{PlaceOf(group)}: {exception.Message}", exception);
            }
            finally
            {
                buffers.Return();
            }
        }

        destination.Finish(rows);
    }

    private static bool IsIdType(Type type)
        => type == typeof(int) || type == typeof(long) || type == typeof(ushort) || type == typeof(uint) || type == typeof(ulong)
            || type == typeof(short) || type == typeof(byte);

    private ColumnMetaData Chunk(ParquetRowGroupReader group)
        => group.GetMetadata(_field)?.MetaData
            ?? throw new InvalidDataException($"the footer does not say where column {TokenShard.ColumnName} is");

    private void ReadSlots(ParquetRowGroupReader group, RowGroupBuffers buffers, Memory<int> ids, Span<int> offsets)
    {
        if (_field.ClrType == typeof(int))
        {
            ReadRaw(group, ids, buffers, offsets);
        }
        else if (_field.ClrType == typeof(long))
        {
            ReadAndNarrow<long>(group, buffers, ids.Span, offsets);
        }
        else if (_field.ClrType == typeof(ushort))
        {
            ReadAndNarrow<ushort>(group, buffers, ids.Span, offsets);
        }
        else if (_field.ClrType == typeof(uint))
        {
            ReadAndNarrow<uint>(group, buffers, ids.Span, offsets);
        }
        else if (_field.ClrType == typeof(ulong))
        {
            ReadAndNarrow<ulong>(group, buffers, ids.Span, offsets);
        }
        else if (_field.ClrType == typeof(short))
        {
            ReadAndNarrow<short>(group, buffers, ids.Span, offsets);
        }
        else
        {
            ReadAndNarrow<byte>(group, buffers, ids.Span, offsets);
        }
    }

    private void ReadAndNarrow<T>(ParquetRowGroupReader group, RowGroupBuffers buffers, Span<int> ids, Span<int> offsets)
        where T : struct, IBinaryInteger<T>
    {
        var wide = buffers.Wide<T>(ids.Length);
        ReadRaw(group, wide.AsMemory(0, ids.Length), buffers, offsets);
        var values = wide.AsSpan(0, offsets[^1]);
        if (IdNarrowing.IndexOfLoss(values, ids) is >= 0 and var lost)
        {
            var document = DocumentOf(offsets, lost);
            throw new DocumentException($"document {document}: token {lost - offsets[document]} is {values[lost]}, beyond int32");
        }
    }

    private void ReadRaw<T>(ParquetRowGroupReader group, Memory<T> values, RowGroupBuffers buffers, Span<int> offsets)
        where T : struct
    {
        var (definition, repetition) = buffers.Levels(values.Length);
        var read = group.ReadRawAsync(_field, values, definition, repetition);
        if (!read.IsCompletedSuccessfully)
        {
            read.AsTask().GetAwaiter().GetResult();
        }

        FindDocuments(definition.Span, repetition.Span, offsets);
    }

    /// <summary>Turns levels into the start of each document among the values, which are stored without gaps.</summary>
    private void FindDocuments(ReadOnlySpan<int> definition, ReadOnlySpan<int> repetition, Span<int> offsets)
    {
        if (repetition[0] != 0)
        {
            throw new DocumentException("its first value continues a document that no row has begun");
        }

        var document = 0;
        var idCount = 0;
        var slot = 0;
        while (slot < repetition.Length)
        {
            var next = repetition[(slot + 1)..].IndexOf(0);
            var end = next < 0 ? repetition.Length : slot + 1 + next;
            if (document == offsets.Length - 1)
            {
                throw new DocumentException($"its pages hold more documents than the {document} of the footer");
            }

            var firstWithoutId = definition[slot..end].IndexOfAnyExcept(_field.MaxDefinitionLevel);
            if (firstWithoutId < 0)
            {
                idCount += end - slot;
            }
            else if (end - slot > 1 || definition[slot] >= _elementLevel)
            {
                throw new DocumentException($"document {document}: token {firstWithoutId} is null");
            }

            offsets[++document] = idCount;
            slot = end;
        }

        if (document != offsets.Length - 1)
        {
            throw new DocumentException($"its pages hold {document} documents, the footer states {offsets.Length - 1}");
        }
    }

    /// <summary>The document that holds value <paramref name="index"/>, given where documents start.</summary>
    public static int DocumentOf(ReadOnlySpan<int> offsets, int index)
    {
        var document = offsets.BinarySearch(index);
        if (document < 0)
        {
            return ~document - 1;
        }

        // Empty documents before it start at the same value.
        while (offsets[document + 1] == index)
        {
            document++;
        }

        return document;
    }

    /// <summary>A fault of some document; whoever catches it knows the place in the file.</summary>
    private sealed class DocumentException(string message) : Exception(message);
}
