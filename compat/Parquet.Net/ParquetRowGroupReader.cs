using System.Buffers;
using Parquet.Columns;
using Parquet.Meta;
using Parquet.Schema;

namespace Parquet;

/// <summary>Reads the columns of one row group.</summary>
public class ParquetRowGroupReader : IDisposable
{
    // Slots that a chunk gets on its word alone: this many, and this many for each of its bytes.
    private const long UnprovenSlots = 1 << 20;
    private const long SlotsPerByte = 8;

    private readonly ByteSource _source;
    private readonly int _index;
    private readonly long _footerOffset;
    private readonly DataField[] _fields;

    // The last column whose number of slots was found in its pages.
    private int _countedColumn = -1;

    internal ParquetRowGroupReader(ByteSource source, int index, RowGroup rowGroup, ParquetSchema schema, long footerOffset)
    {
        _source = source;
        _index = index;
        _footerOffset = footerOffset;
        _fields = schema.DataFields;
        RowGroup = rowGroup;
    }

    public RowGroup RowGroup { get; }

    public long RowCount => RowGroup.NumRows;

    public bool ColumnExists(DataField field) => IndexOf(field) >= 0;

    /// <summary>
    /// The chunk of a column, with its slot count and statistics; null when the file has no such column. Callers set memory aside for
    /// as many slots as it states, so a number that is large for the chunk's bytes is first compared with the pages.
    /// </summary>
    /// <exception cref="ParquetException">The column is encrypted, or has fewer slots than it states.</exception>
    public ColumnChunk? GetMetadata(DataField field)
    {
        var column = IndexOf(field);
        if (column < 0)
        {
            return null;
        }

        var location = Locate(column);
        var chunk = Readable(column, location);
        if (_countedColumn != column && chunk.FilePath == null
            && chunk.MetaData is { NumValues: > UnprovenSlots and <= int.MaxValue } metadata
            && metadata.NumValues / SlotsPerByte > metadata.TotalCompressedSize)
        {
            RequireSlots(metadata, location);
            _countedColumn = column;
        }

        return chunk;
    }

    /// <summary>Reads a column as it is stored: the values there are, without gaps, and the levels of every slot.</summary>
    /// <typeparam name="T">Exactly the column's <see cref="DataField.ClrType"/>.</typeparam>
    /// <param name="values">At least as many entries as the chunk has slots; those past the last value are left alone.</param>
    /// <param name="definitionLevels">As long; wanted when the column has such levels.</param>
    /// <param name="repetitionLevels">As long; wanted when the column has such levels.</param>
    /// <exception cref="ParquetException">The column is missing, damaged, or stored in a way that is not supported.</exception>
    public ValueTask ReadRawAsync<T>(
        DataField field,
        Memory<T> values,
        Memory<int>? definitionLevels,
        Memory<int>? repetitionLevels,
        CancellationToken cancellationToken = default)
        where T : struct
    {
        var (own, chunk, location) = Find(field);
        RequireType<T>(own);
        var slots = SlotCount(chunk, own, location);
        var target = Part(values, slots, nameof(values), own);
        var definitions = own.MaxDefinitionLevel == 0 ? default : Part(definitionLevels ?? default, slots, nameof(definitionLevels), own);
        var repetitions = own.MaxRepetitionLevel == 0 ? default : Part(repetitionLevels ?? default, slots, nameof(repetitionLevels), own);
        return ReadChunkAsync(new NumberSink<T>(target), chunk, location, definitions, repetitions, cancellationToken);
    }

    /// <summary>Reads a required column that is no list.</summary>
    /// <inheritdoc cref="ReadRawAsync{T}"/>
    public ValueTask ReadAsync<T>(
        DataField field, Memory<T> values, Memory<int>? repetitionLevels = null, CancellationToken cancellationToken = default)
        where T : struct
    {
        var (own, chunk, location) = Find(field);
        RequireType<T>(own);
        if (own.MaxDefinitionLevel > 0)
        {
            throw new ArgumentException(
                $"Column {own.Path} may hold nulls or lists: read it into {typeof(T).Name}? values, or with ReadRawAsync.", nameof(field));
        }

        var target = Part(values, SlotCount(chunk, own, location), nameof(values), own);
        return ReadChunkAsync(new NumberSink<T>(target), chunk, location, default, default, cancellationToken);
    }

    /// <summary>Reads a column that is no list, required or not.</summary>
    /// <inheritdoc cref="ReadRawAsync{T}"/>
    public async ValueTask ReadAsync<T>(
        DataField field, Memory<T?> values, Memory<int>? repetitionLevels = null, CancellationToken cancellationToken = default)
        where T : struct
    {
        var (own, chunk, location) = Find(field);
        RequireType<T>(own);
        if (own.MaxRepetitionLevel > 0)
        {
            throw new ArgumentException($"Column {own.Path} is a list: read it with ReadRawAsync.", nameof(field));
        }

        var target = Part(values, SlotCount(chunk, own, location), nameof(values), own);
        await ReadWithOwnDefinitionsAsync(
            new NullableNumberSink<T>(target, own.MaxDefinitionLevel), target.Length, chunk, location, default, cancellationToken)
            .ConfigureAwait(false);
    }

    /// <summary>Reads a text column, one entry per slot; of a list, null and empty lists are null entries.</summary>
    /// <inheritdoc cref="ReadRawAsync{T}"/>
    public async ValueTask ReadAsync(
        DataField field, Memory<string?> values, Memory<int>? repetitionLevels = null, CancellationToken cancellationToken = default)
    {
        var (own, chunk, location) = Find(field);
        if (!own.Stored.IsText)
        {
            throw new ArgumentException($"Column {own.Path} is stored as {Describe(own)}, not as text.", nameof(field));
        }

        var target = Part(values, SlotCount(chunk, own, location), nameof(values), own);
        var repetitions = own.MaxRepetitionLevel == 0
            ? default
            : Part(repetitionLevels ?? default, target.Length, nameof(repetitionLevels), own);
        await ReadWithOwnDefinitionsAsync(
            new StringSink(target, own.MaxDefinitionLevel), target.Length, chunk, location, repetitions, cancellationToken)
            .ConfigureAwait(false);
    }

    public void Dispose() => GC.SuppressFinalize(this);

    private async ValueTask ReadWithOwnDefinitionsAsync<TSink>(
        TSink sink, int slots, ColumnMetaData chunk, ColumnLocation location, Memory<int> repetitions, CancellationToken cancellationToken)
        where TSink : IColumnSink
    {
        if (location.Column.MaxDefinitionLevel == 0)
        {
            await ReadChunkAsync(sink, chunk, location, default, repetitions, cancellationToken).ConfigureAwait(false);
            return;
        }

        var definitions = ArrayPool<int>.Shared.Rent(slots);
        try
        {
            await ReadChunkAsync(sink, chunk, location, definitions.AsMemory(0, slots), repetitions, cancellationToken)
                .ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<int>.Shared.Return(definitions);
        }
    }

    private async ValueTask ReadChunkAsync<TSink>(
        TSink sink,
        ColumnMetaData chunk,
        ColumnLocation location,
        Memory<int> definitions,
        Memory<int> repetitions,
        CancellationToken cancellationToken)
        where TSink : IColumnSink
    {
        if (chunk.NumValues > 0)
        {
            var reader = ColumnChunkReader.Rent();
            try
            {
                reader.Open(_source, location, chunk, _footerOffset);
                await reader.ReadAsync(sink, definitions, repetitions, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                reader.Return();
            }
        }

        if (location.Column.MaxRepetitionLevel > 0)
        {
            RequireRows(repetitions.Span, location);
        }
    }

    private void RequireSlots(ColumnMetaData chunk, ColumnLocation location)
    {
        var reader = ColumnChunkReader.Rent();
        try
        {
            reader.Open(_source, location, chunk, _footerOffset);
            var check = reader.RequireSlotsAsync(CancellationToken.None);
            if (!check.IsCompletedSuccessfully)
            {
                check.AsTask().GetAwaiter().GetResult();
            }
        }
        finally
        {
            reader.Return();
        }
    }

    // A repetition level of 0 begins a row.
    private void RequireRows(ReadOnlySpan<int> repetitions, ColumnLocation location)
    {
        var rows = repetitions.Count(0);
        if (rows != RowCount || (rows > 0 && repetitions[0] != 0))
        {
            throw location.Error($"its levels begin {rows} rows where the row group has {RowCount}");
        }
    }

    private int IndexOf(DataField field)
    {
        ArgumentNullException.ThrowIfNull(field);
        for (var i = 0; i < _fields.Length; i++)
        {
            if (ReferenceEquals(_fields[i], field) || _fields[i].Path.Equals(field.Path))
            {
                return i;
            }
        }

        return -1;
    }

    private (DataField Field, ColumnMetaData Chunk, ColumnLocation Location) Find(DataField field)
    {
        var column = IndexOf(field);
        if (column < 0)
        {
            throw new ColumnLocation(_source.Name, _index, field, -1).Error("there is no such column");
        }

        var own = _fields[column];
        var location = Locate(column);
        var chunk = Readable(column, location);
        return chunk.FilePath == null
            ? (own, chunk.MetaData!, location)
            : throw location.Error($"its pages lie in another file, '{chunk.FilePath}'; that is not supported");
    }

    private ColumnLocation Locate(int column)
        => new(_source.Name, _index, _fields[column], RowGroup.Columns[column].MetaData?.DataPageOffset ?? -1);

    // Only of an encrypted column may the metadata be missing: the footer was checked for that.
    private ColumnChunk Readable(int column, ColumnLocation location)
    {
        var chunk = RowGroup.Columns[column];
        return chunk is { IsEncrypted: false, MetaData: not null }
            ? chunk
            : throw location.Error($"the footer at byte {_footerOffset} says that it is encrypted; encryption is not supported");
    }

    private static void RequireType<T>(DataField field)
    {
        if (!field.Stored.IsNumber)
        {
            throw new ArgumentException($"Column {field.Path} is stored as {Describe(field)} and not read as numbers.", nameof(field));
        }

        if (field.ClrType != typeof(T))
        {
            throw new ArgumentException(
                $"Column {field.Path} holds {field.ClrType.Name} values; read it as those, not as {typeof(T).Name}.", nameof(field));
        }
    }

    private int SlotCount(ColumnMetaData chunk, DataField field, ColumnLocation location)
    {
        if (chunk.NumValues is < 0 or > int.MaxValue)
        {
            throw location.Error($"{chunk.NumValues} slots; one chunk can be read up to {int.MaxValue}");
        }

        if (field.MaxRepetitionLevel == 0 ? chunk.NumValues != RowCount : chunk.NumValues < RowCount)
        {
            throw location.Error($"{chunk.NumValues} slots where the row group has {RowCount} rows");
        }

        return (int)chunk.NumValues;
    }

    private static Memory<T> Part<T>(Memory<T> buffer, int slots, string name, DataField field)
        => buffer.Length >= slots
            ? buffer[..slots]
            : throw new ArgumentException($"Column {field.Path} has {slots} slots; the buffer has room for {buffer.Length}.", name);

    private static string Describe(DataField field) => $"{field.Stored.Physical} for {field.ClrType.Name}";
}
