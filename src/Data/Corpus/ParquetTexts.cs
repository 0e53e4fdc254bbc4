using System.Runtime.InteropServices;
using KvShiftScale.Core;
using KvShiftScale.Data.Files;
using KvShiftScale.Data.Shards.Format;
using KvShiftScale.Data.Text;
using ParquetSharp;

namespace KvShiftScale.Data.Corpus;

/// <summary>
/// The texts of a Parquet file: a row of a column of strings, or of bytes in UTF-8, is a document. A row group's stored texts, and one page of them
/// decompressed, are in memory at a time. For one thread at a time.
/// </summary>
internal sealed class ParquetTexts : IDisposable
{
    private const int BatchRows = 1024;

    private readonly string _path;
    private readonly string _column;
    private readonly ShardFile _file;
    private readonly FencedReader _reader;
    private readonly bool _isOptional;

    private ParquetTexts(string path, string column, ShardFile file, FencedReader reader)
    {
        _path = path;
        _column = column;
        _file = file;
        _reader = reader;
        var schema = reader.Schema;
        string[][] leaves = [.. Enumerable.Range(0, schema.NumColumns).Select(leaf => PathOf(schema.Column(leaf)))];
        if (reader.Footer.Leaf < 0)
        {
            throw WithoutText([.. leaves.Select(leaf => leaf[0]).Distinct()]);
        }

        var text = schema.Column(reader.Footer.Leaf);
        using var meaning = FencedReader.MeaningOf(path, text);
        if (leaves[reader.Footer.Leaf].Length > 1 || text.MaxRepetitionLevel > 0 || text.PhysicalType != PhysicalType.ByteArray
            || meaning is not (StringLogicalType or NoneLogicalType or JsonLogicalType or EnumLogicalType))
        {
            var found = leaves[reader.Footer.Leaf].Length > 1 ? "lists or structures"
                : $"{text.PhysicalType}{(meaning is NoneLogicalType ? "" : $" ({meaning.Type})")}";
            throw new UsageException($"{path}: column {column} holds {found}; wanted strings, one a row. Name the column that holds the text with --text-column");
        }

        _isOptional = text.MaxDefinitionLevel > 0;
    }

    /// <summary>Bytes of the file up to where its texts have been read.</summary>
    public long BytesRead { get; private set; }

    /// <summary>Opens a file and reads its footer.</summary>
    /// <exception cref="UsageException">It has no such column of texts.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or no Parquet file; the message names it.</exception>
    public static ParquetTexts Open(string path, string column)
    {
        var file = new ShardFile(path, new ReadAccess(), expected: null, CancellationToken.None);
        FencedReader? reader = null;
        try
        {
            reader = OpenReader(path, column, file);
            return new ParquetTexts(path, column, file, reader);
        }
        catch
        {
            reader?.Dispose();
            file.Dispose();
            throw;
        }
    }

    /// <summary>The documents, less the first <paramref name="skip"/>; a row without a text is one that says so. Enumerated once.</summary>
    /// <exception cref="InvalidDataException">A row group is damaged; the message names file and row group.</exception>
    public IEnumerable<RawDocument> Documents(long skip)
    {
        var row = 0L;
        var (levels, texts) = (new short[BatchRows], new ByteArray[BatchRows]);
        for (var group = 0; group < _reader.Footer.Chunks.Count; group++)
        {
            var chunk = _reader.Footer.Chunks[group];
            var end = row + chunk.Rows;
            // A row group without rows has no pages; one of rows that were read before needs none.
            if (chunk.Rows > 0 && end > skip)
            {
                using var column = Guarded(group, chunk, () => OpenColumn(group, chunk));
                BytesRead = chunk.Start + chunk.StoredBytes;
                while (row < end)
                {
                    var found = 0;
                    var rows = Guarded(group, chunk, () => ReadBatch(column, (int)Math.Min(BatchRows, end - row), levels, texts, out found));
                    var text = 0;
                    for (var slot = 0; slot < rows; slot++, row++)
                    {
                        var isNull = _isOptional && levels[slot] == 0;
                        // The package's memory holds a text until the next batch is read.
                        var content = isNull ? [] : Copy(texts[text++]);
                        if (row >= skip)
                        {
                            yield return new RawDocument(_path, row, content) { Absence = isNull ? $"column '{_column}' is null" : null };
                        }
                    }
                }
            }

            row = end;
        }

        // Whatever was decoded is of no use if the file changed meanwhile.
        _file.RequireUnchanged();
    }

    public void Dispose()
    {
        _reader.Dispose();
        _file.Dispose();
    }

    private static FencedReader OpenReader(string path, string column, ShardFile file)
    {
        try
        {
            return FencedReader.Open(file, column);
        }
        catch (InvalidDataException exception)
        {
            throw new InvalidDataException(
                $"{path}: the {file.Length} bytes are no complete Parquet file: {exception.Message} Write or copy the file again.", exception);
        }
    }

    private FencedReader.Column OpenColumn(int group, in ColumnChunk chunk)
    {
        var fault = chunk.FaultIn(_reader.Footer, PhysicalType.ByteArray)
            ?? (chunk.Values == chunk.Rows ? null
                : FormattableString.Invariant($"the footer states {chunk.Rows} rows and {chunk.Values} values; wanted one value a row"));
        return fault is null ? _reader.OpenColumn(group, _reader.Footer.Leaf, chunk, checksum: null) : throw new InvalidDataException(fault);
    }

    private int ReadBatch(FencedReader.Column column, int wanted, short[] levels, ByteArray[] texts, out int found)
    {
        var rows = column.Read(levels.AsSpan(0, wanted), [], texts.AsSpan(0, wanted), out found);
        var held = _isOptional ? levels.AsSpan(0, Math.Max(rows, 0)).Count((short)1) : rows;
        return rows > 0 && rows <= wanted && held == found ? rows
            : throw new InvalidDataException(FormattableString.Invariant(
                $"its pages end, or hold {found} texts where levels announce {held}, within the rows that the footer states"));
    }

    private static byte[] Copy(ByteArray text)
    {
        var bytes = new byte[text.Length];
        Marshal.Copy(text.Pointer, bytes, 0, bytes.Length);
        return bytes;
    }

    // The message says where in the file it is.
    private T Guarded<T>(int group, in ColumnChunk chunk, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (InvalidDataException exception)
        {
            _file.RequireUnchanged();
            throw new InvalidDataException(
                FormattableString.Invariant($"{_path}: row group {group}: column {_column}: chunk at byte {chunk.Start}: {exception.Message}"), exception);
        }
    }

    private UsageException WithoutText(string[] columns)
    {
        var remedy = columns.Contains(ShardFooter.IdColumnName)
            ? $"It holds ids of tokens, which training reads as they are: name it in data.train, or leave it out with --exclude"
            : "Name the column that holds the text with --text-column";
        return new UsageException($"{_path}: there is no column {_column}; its columns are: {string.Join(", ", columns)}. {remedy}");
    }

    private static string[] PathOf(ColumnDescriptor column)
    {
        using var path = column.Path;
        return path.ToDotVector();
    }
}
