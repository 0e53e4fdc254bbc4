using Parquet.Columns;
using Parquet.Meta;
using Parquet.Schema;

namespace Parquet;

/// <summary>
/// Writes the columns of one row group: all of them, in the schema's order, with equal numbers of rows. Disposal closes the group; one
/// that is not complete then makes the whole file unfinished.
/// </summary>
public class ParquetRowGroupWriter : IDisposable
{
    private readonly ParquetWriter _owner;
    private readonly ColumnChunkWriter _chunks;
    private readonly DataField[] _fields;
    private readonly IDictionary<string, EncodingHint> _hints;
    private readonly RowGroup _group = new();
    private bool _isDisposed;

    internal ParquetRowGroupWriter(
        ParquetWriter owner, ColumnChunkWriter chunks, DataField[] fields, IDictionary<string, EncodingHint> hints)
    {
        _owner = owner;
        _chunks = chunks;
        _fields = fields;
        _hints = hints;
    }

    /// <summary>Writes text, one entry per slot; null is stored one definition level below the highest.</summary>
    /// <param name="repetitionLevels">Of a list: one per entry, 0 where a row begins.</param>
    public Task WriteAsync(DataField field, IReadOnlyCollection<string?> values, ReadOnlyMemory<int>? repetitionLevels = null)
    {
        ArgumentNullException.ThrowIfNull(values);
        var own = Next(field);
        if (!own.Stored.IsText)
        {
            throw new ArgumentException($"Column {own.Path} holds {own.ClrType.Name} values, not text.", nameof(field));
        }

        var definitions = new DefinitionLevels(own, values.Count);
        var present = new List<string>(values.Count);
        foreach (var value in values)
        {
            definitions.Add(value != null);
            if (value != null)
            {
                present.Add(value);
            }
        }

        return WriteChunkAsync(
            own, new StringEncoder([.. present], Hint(own)), definitions.Levels, repetitionLevels, null, CancellationToken.None);
    }

    /// <summary>Writes numbers, one entry per slot; null is stored one definition level below the highest.</summary>
    /// <inheritdoc cref="WriteAllPartsAsync{T}"/>
    public Task WriteAsync<T>(
        DataField field,
        ReadOnlyMemory<T?> values,
        ReadOnlyMemory<int>? repetitionLevels = null,
        Dictionary<string, string>? customMetadata = null,
        CancellationToken cancellationToken = default)
        where T : struct
    {
        var own = Next(field);
        RequireType<T>(own);
        var definitions = new DefinitionLevels(own, values.Length);
        var present = new T[values.Length];
        var count = 0;
        foreach (var value in values.Span)
        {
            definitions.Add(value != null);
            if (value is { } number)
            {
                present[count++] = number;
            }
        }

        return WriteNumbersAsync<T>(
            own, present.AsMemory(0, count), definitions.Levels, repetitionLevels, customMetadata, cancellationToken);
    }

    /// <summary>Writes numbers of a required column, or of a bare repeated one.</summary>
    /// <exception cref="InvalidOperationException">The column may hold nulls or is a list; its levels are not known.</exception>
    /// <inheritdoc cref="WriteAllPartsAsync{T}"/>
    public Task WriteAsync<T>(
        DataField field,
        ReadOnlyMemory<T> values,
        ReadOnlyMemory<int>? repetitionLevels = null,
        Dictionary<string, string>? customMetadata = null,
        CancellationToken cancellationToken = default)
        where T : struct
    {
        var own = Next(field);
        RequireType<T>(own);
        var isBareRepeated = own.IsArray && own.MaxDefinitionLevel == 1;
        if (own.MaxDefinitionLevel > 0 && !isBareRepeated)
        {
            throw new InvalidOperationException(
                $"Column {own.Path} may hold nulls or empty lists: write {typeof(T).Name}? values, or all parts with WriteAllPartsAsync.");
        }

        var definitions = new int[isBareRepeated ? values.Length : 0];
        Array.Fill(definitions, own.MaxDefinitionLevel);
        return WriteNumbersAsync(own, values, definitions, repetitionLevels, customMetadata, cancellationToken);
    }

    /// <summary>Writes a column as it is stored.</summary>
    /// <typeparam name="T">Exactly the column's <see cref="DataField.ClrType"/>.</typeparam>
    /// <param name="field">The next column of the schema.</param>
    /// <param name="values">The values there are, those of slots without one left out.</param>
    /// <param name="definitionValues">One level per slot, the column's highest where there is a value; unused if that is 0.</param>
    /// <param name="repetitionLevels">One level per slot, 0 where a row begins; unused if the column's highest is 0.</param>
    /// <exception cref="ArgumentException">Not the next column, another type, or levels that do not fit the values.</exception>
    /// <exception cref="InvalidOperationException">All columns are written, or the row count differs from the columns before.</exception>
    public Task WriteAllPartsAsync<T>(
        DataField field,
        ReadOnlyMemory<T> values,
        ReadOnlyMemory<int>? definitionValues,
        ReadOnlyMemory<int>? repetitionLevels,
        CancellationToken cancellationToken)
        where T : struct
    {
        var own = Next(field);
        RequireType<T>(own);
        return WriteNumbersAsync(own, values, definitionValues, repetitionLevels, null, cancellationToken);
    }

    /// <exception cref="InvalidOperationException">Columns are missing.</exception>
    public void CompleteValidate()
    {
        if (_group.Columns.Count < _fields.Length)
        {
            var missing = string.Join(", ", _fields.Skip(_group.Columns.Count).Select(field => field.Path));
            throw new InvalidOperationException($"The row group is not complete; columns not written: {missing}.");
        }
    }

    public void Dispose()
    {
        GC.SuppressFinalize(this);
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        if (_group.Columns.Count < _fields.Length)
        {
            _owner.Fail();
            return;
        }

        _group.FileOffset = _group.Columns[0].FileOffset;
        _group.TotalByteSize = _group.Columns.Sum(chunk => chunk.MetaData!.TotalUncompressedSize);
        _group.TotalCompressedSize = _group.Columns.Sum(chunk => chunk.MetaData!.TotalCompressedSize);
        _owner.Close(_group);
    }

    private Task WriteNumbersAsync<T>(
        DataField field,
        ReadOnlyMemory<T> values,
        ReadOnlyMemory<int>? definitions,
        ReadOnlyMemory<int>? repetitions,
        Dictionary<string, string>? customMetadata,
        CancellationToken cancellationToken)
        where T : struct
        => WriteChunkAsync(
            field, NumberEncoderFactory.Create(values, Hint(field)), definitions, repetitions, customMetadata, cancellationToken);

    private async Task WriteChunkAsync(
        DataField field,
        ValueEncoder values,
        ReadOnlyMemory<int>? definitions,
        ReadOnlyMemory<int>? repetitions,
        Dictionary<string, string>? customMetadata,
        CancellationToken cancellationToken)
    {
        var ownDefinitions = field.MaxDefinitionLevel > 0 ? definitions ?? default : default;
        var ownRepetitions = field.MaxRepetitionLevel > 0 ? repetitions ?? default : default;
        RequireLevels(field, values.ValueCount, ownDefinitions.Span, ownRepetitions.Span);
        var slotCount = field.MaxDefinitionLevel > 0 ? ownDefinitions.Length : values.ValueCount;
        var rowCount = field.MaxRepetitionLevel > 0 ? ownRepetitions.Span.Count(0) : slotCount;
        if (_group.Columns.Count > 0 && rowCount != _group.NumRows)
        {
            throw new InvalidOperationException(
                $"Column {field.Path} has {rowCount} rows where the columns before have {_group.NumRows}.");
        }

        var chunk = await _chunks.WriteAsync(field, values, ownDefinitions, ownRepetitions, customMetadata, cancellationToken)
            .ConfigureAwait(false);
        _group.NumRows = rowCount;
        _group.Columns.Add(chunk);
    }

    private DataField Next(DataField field)
    {
        ArgumentNullException.ThrowIfNull(field);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (_group.Columns.Count == _fields.Length)
        {
            throw new InvalidOperationException($"All {_fields.Length} columns are written; {field.Path} is one too many.");
        }

        var expected = _fields[_group.Columns.Count];
        return field.IsAttached && field.Path.Equals(expected.Path)
            ? expected
            : throw new ArgumentException($"Column {field.Path} where the schema's next column is {expected.Path}.", nameof(field));
    }

    private EncodingHint Hint(DataField field)
    {
        var hint = _hints.TryGetValue(field.Path.ToString(), out var found) ? found : EncodingHint.Default;
        if (hint == EncodingHint.ByteSplitStream)
        {
            throw new NotSupportedException($"Column {field.Path}: byte stream split is not written; several readers refuse it.");
        }

        var isInteger = field.Stored.IsNumber && field.ClrType != typeof(float) && field.ClrType != typeof(double);
        return hint != EncodingHint.DeltaBinaryPacked || isInteger
            ? hint
            : throw new ArgumentException($"Column {field.Path}: delta encoding is not for {field.ClrType.Name}.", nameof(field));
    }

    private static void RequireType<T>(DataField field)
    {
        if (field.ClrType != typeof(T) || !field.Stored.IsNumber)
        {
            throw new ArgumentException($"Column {field.Path} holds {field.ClrType.Name} values, not {typeof(T).Name}.", nameof(field));
        }
    }

    private static void RequireLevels(DataField field, int valueCount, ReadOnlySpan<int> definitions, ReadOnlySpan<int> repetitions)
    {
        if (field.MaxDefinitionLevel > 0)
        {
            var defined = definitions.Count(field.MaxDefinitionLevel);
            if (defined != valueCount || definitions.ContainsAnyExceptInRange(0, field.MaxDefinitionLevel))
            {
                throw new ArgumentException(
                    $"Column {field.Path}: {valueCount} values, but {defined} of {definitions.Length} definition levels are "
                    + $"{field.MaxDefinitionLevel}, or some lie outside 0 to {field.MaxDefinitionLevel}.", nameof(definitions));
            }
        }

        if (field.MaxRepetitionLevel > 0)
        {
            if (repetitions.Length != definitions.Length || repetitions.ContainsAnyExceptInRange(0, field.MaxRepetitionLevel)
                || (repetitions.Length > 0 && repetitions[0] != 0))
            {
                throw new ArgumentException(
                    $"Column {field.Path}: a list needs one repetition level from 0 to {field.MaxRepetitionLevel} per slot, "
                    + $"the first one 0; there are {repetitions.Length} for {definitions.Length} slots.", nameof(repetitions));
            }
        }
    }
}
