using System.Buffers;
using System.Numerics;
using Parquet;
using Parquet.Schema;
using ColumnMetaData = Parquet.Meta.ColumnMetaData;

namespace KvShiftScale.Data;

/// <summary>
/// The list column of a shard's ids and how it becomes documents: three-level lists, two-level ones and a bare repeated number; every
/// integer type that holds an id.
/// </summary>
internal sealed class IdColumn
{
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

    /// <summary>Rows, slots (ids, nulls and empty lists) and slots without a value, as the footer states them.</summary>
    public (int Rows, int Slots, long? Nulls) Extent(ParquetRowGroupReader group)
    {
        var chunk = Chunk(group);
        if (chunk.NumValues < 0 || chunk.NumValues >= Array.MaxLength || group.RowCount < 0 || group.RowCount > chunk.NumValues)
        {
            throw new InvalidDataException(
                $"the footer states {group.RowCount} rows and {chunk.NumValues} values of {TokenShard.ColumnName}; a row has at least "
                + $"one value, a row group less than {Array.MaxLength}");
        }

        return ((int)group.RowCount, (int)chunk.NumValues, chunk.Statistics?.NullCount);
    }

    /// <summary>Decodes a row group.</summary>
    /// <exception cref="InvalidDataException">
    /// The data contradicts the footer, or an id is null or no int32; the message starts with the document's place.
    /// </exception>
    public void Read(ParquetRowGroupReader group, DocumentGroup destination)
    {
        var (rows, slots, _) = Extent(group);
        var (ids, offsets) = destination.Begin(slots, rows);
        if (slots > 0)
        {
            ReadSlots(group, ids.AsMemory(0, slots), offsets.AsSpan(0, rows + 1));
        }

        destination.Finish(rows);
    }

    private static bool IsIdType(Type type)
        => type == typeof(int) || type == typeof(long) || type == typeof(ushort) || type == typeof(uint) || type == typeof(ulong)
            || type == typeof(short) || type == typeof(byte);

    private ColumnMetaData Chunk(ParquetRowGroupReader group)
        => group.GetMetadata(_field)?.MetaData
            ?? throw new InvalidDataException($"the footer does not say where column {TokenShard.ColumnName} is");

    private void ReadSlots(ParquetRowGroupReader group, Memory<int> ids, Span<int> offsets)
    {
        var definition = ArrayPool<int>.Shared.Rent(ids.Length);
        var repetition = ArrayPool<int>.Shared.Rent(ids.Length);
        try
        {
            var levels = new Levels(definition.AsMemory(0, ids.Length), repetition.AsMemory(0, ids.Length));
            if (_field.ClrType == typeof(int))
            {
                ReadRaw(group, ids, levels);
                FindDocuments(levels, offsets);
            }
            else if (_field.ClrType == typeof(long))
            {
                ReadAndNarrow<long>(group, ids.Span, levels, offsets);
            }
            else if (_field.ClrType == typeof(ushort))
            {
                ReadAndNarrow<ushort>(group, ids.Span, levels, offsets);
            }
            else if (_field.ClrType == typeof(uint))
            {
                ReadAndNarrow<uint>(group, ids.Span, levels, offsets);
            }
            else if (_field.ClrType == typeof(ulong))
            {
                ReadAndNarrow<ulong>(group, ids.Span, levels, offsets);
            }
            else if (_field.ClrType == typeof(short))
            {
                ReadAndNarrow<short>(group, ids.Span, levels, offsets);
            }
            else
            {
                ReadAndNarrow<byte>(group, ids.Span, levels, offsets);
            }
        }
        finally
        {
            ArrayPool<int>.Shared.Return(definition);
            ArrayPool<int>.Shared.Return(repetition);
        }
    }

    private void ReadAndNarrow<T>(ParquetRowGroupReader group, Span<int> ids, Levels levels, Span<int> offsets)
        where T : struct, IBinaryInteger<T>
    {
        var wide = ArrayPool<T>.Shared.Rent(ids.Length);
        try
        {
            ReadRaw(group, wide.AsMemory(0, ids.Length), levels);
            FindDocuments(levels, offsets);
            var values = wide.AsSpan(0, offsets[^1]);
            for (var i = 0; i < values.Length; i++)
            {
                var id = int.CreateTruncating(values[i]);
                if (T.CreateTruncating(id) != values[i] || (id < 0 && T.IsPositive(values[i])))
                {
                    throw new InvalidDataException(
                        $"document {DocumentOf(offsets, i)}: token {i - offsets[DocumentOf(offsets, i)]} is {values[i]}, beyond int32");
                }

                ids[i] = id;
            }
        }
        finally
        {
            ArrayPool<T>.Shared.Return(wide);
        }
    }

    private void ReadRaw<T>(ParquetRowGroupReader group, Memory<T> values, Levels levels) where T : struct
        => group.ReadRawAsync(_field, values, levels.Definition, levels.Repetition).AsTask().GetAwaiter().GetResult();

    /// <summary>Turns levels into the start of each document among the values, which are stored without gaps.</summary>
    private void FindDocuments(Levels levels, Span<int> offsets)
    {
        var definition = levels.Definition.Span;
        var repetition = levels.Repetition.Span;
        if (repetition[0] != 0)
        {
            throw new InvalidDataException("its first value continues a document that no row has begun");
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
                throw new InvalidDataException($"its pages hold more documents than the {document} of the footer");
            }

            var firstWithoutId = definition[slot..end].IndexOfAnyExcept(_field.MaxDefinitionLevel);
            if (firstWithoutId < 0)
            {
                idCount += end - slot;
            }
            else if (end - slot > 1 || definition[slot] >= _elementLevel)
            {
                throw new InvalidDataException($"document {document}: token {firstWithoutId} is null");
            }

            offsets[++document] = idCount;
            slot = end;
        }

        if (document != offsets.Length - 1)
        {
            throw new InvalidDataException($"its pages hold {document} documents, the footer states {offsets.Length - 1}");
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

    private readonly record struct Levels(Memory<int> Definition, Memory<int> Repetition);
}
