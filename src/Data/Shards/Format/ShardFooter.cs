using System.Buffers;
using System.Buffers.Binary;
using KvShiftScale.Data.Files;

namespace KvShiftScale.Data.Shards.Format;

/// <summary>
/// A look through a file's footer before the package is asked to read it: that it is complete and within bounds, and what the package
/// does not tell (where pages lie, histograms of levels). Source: the Parquet format's parquet.thrift.
/// </summary>
/// <remarks>
/// What is fenced off: lists longer than the footer, which would be set aside; schemas that are deep or do not add up, which are followed
/// by recursion; chunks that lie outside of the file.
/// </remarks>
internal sealed class ShardFooter
{
    /// <summary>Column whose lists are documents.</summary>
    public const string IdColumnName = "input_ids";

    /// <summary>Column whose lists are 0 where an id is padding, as tokenizers of Hugging Face write it beside the ids.</summary>
    public const string MaskColumnName = "attention_mask";

    private const int TailBytes = 8;

    // Lists within lists within structures, ever so often; real schemas have less than ten levels.
    private const int DeepestSchema = 64;

    private readonly string _column;
    private SchemaElement[] _schema = [];
    private ColumnChunk[]? _chunks;
    private ColumnChunk[] _maskChunks = [];
    private int _leafCount;
    private int _leafLevel;

    private ShardFooter(string column, long start, int length) => (_column, Start, Length) = (column, start, length);

    private static ReadOnlySpan<byte> Magic => "PAR1"u8;

    private static ReadOnlySpan<byte> EncryptedMagic => "PARE"u8;

    /// <summary>Byte of the file at which the footer begins, before which all pages lie.</summary>
    public long Start { get; }

    /// <summary>Bytes of the footer, without its length and the magic that close the file.</summary>
    public int Length { get; }

    /// <summary>The schema's nodes, depth first; the first is the root.</summary>
    public IReadOnlyList<SchemaElement> Schema => _schema;

    /// <summary>Number of the first leaf of the column that is read, or below it; -1 when there is none.</summary>
    public int Leaf { get; private set; } = -1;

    /// <summary>Number of the first leaf below the column that tells padding; -1 when there is none.</summary>
    public int MaskLeaf { get; private set; } = -1;

    /// <summary>What tells padding of each row group; empty when there is no such column.</summary>
    public IReadOnlyList<ColumnChunk> MaskChunks => _maskChunks;

    /// <summary>The column that is read, in each row group; empty when there is no such column.</summary>
    public IReadOnlyList<ColumnChunk> Chunks => _chunks ?? [];

    /// <summary>Reads a file's footer.</summary>
    /// <param name="file">The file; the footer is read once.</param>
    /// <param name="column">The column that is read: that of the ids, or of a text.</param>
    /// <param name="bytes">Takes the footer and what closes the file; to be given back to <see cref="ArrayPool{T}.Shared"/>.</param>
    /// <exception cref="InvalidDataException">It is no footer, cut, or contradicts itself; the message has no path.</exception>
    public static ShardFooter Read(ShardFile file, string column, out byte[] bytes)
    {
        if (file.Length < Magic.Length + TailBytes)
        {
            throw new InvalidDataException($"{file.Length} bytes are too few for a Parquet file.");
        }

        Span<byte> ends = stackalloc byte[Magic.Length + TailBytes];
        ReadAt(file, 0, ends[..Magic.Length]);
        ReadAt(file, file.Length - TailBytes, ends[Magic.Length..]);
        RequireMagic("begins", ends[..Magic.Length]);
        RequireMagic("ends", ends[^Magic.Length..]);
        var length = BinaryPrimitives.ReadInt32LittleEndian(ends[Magic.Length..]);
        var start = file.Length - TailBytes - length;
        if (length <= 0 || start < Magic.Length)
        {
            throw new InvalidDataException(
                $"its tail states a footer of {length} bytes in a file of {file.Length}; the file is damaged or cut.");
        }

        var footer = new ShardFooter(column, start, length);
        bytes = ArrayPool<byte>.Shared.Rent(length + TailBytes);
        try
        {
            ReadAt(file, start, bytes.AsSpan(0, length + TailBytes));
            footer.Parse(bytes.AsSpan(0, length));
            return footer;
        }
        catch (InvalidDataException exception)
        {
            ArrayPool<byte>.Shared.Return(bytes);
            throw new InvalidDataException($"footer at byte {start}: {exception.Message}.", exception);
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(bytes);
            throw;
        }
    }

    private static void ReadAt(ShardFile file, long offset, Span<byte> target)
    {
        file.Position = offset;
        file.ReadExactly(target);
    }

    private static void RequireMagic(string verb, ReadOnlySpan<byte> found)
    {
        if (found.SequenceEqual(EncryptedMagic))
        {
            throw new InvalidDataException("the file is encrypted (PARE); encryption is not supported.");
        }

        if (!found.SequenceEqual(Magic))
        {
            throw new InvalidDataException($"the file {verb} with {Convert.ToHexString(found)} instead of 50415231 (PAR1); it is cut, or no Parquet file.");
        }
    }

    private void Parse(ReadOnlySpan<byte> bytes)
    {
        var reader = new ThriftReader(bytes);
        long? rows = null;
        for (var id = 0; reader.Next(ref id, out var kind);)
        {
            switch (id)
            {
                case 2:
                    ReadSchema(ref reader, id, kind);
                    break;
                case 3:
                    rows = reader.Int64(id, kind);
                    break;
                case 4:
                    ReadRowGroups(ref reader, id, kind);
                    break;
                case 8:
                    throw new InvalidDataException("the file is encrypted; encryption is not supported");
                default:
                    reader.Skip(kind);
                    break;
            }
        }

        if (_schema.Length == 0 || rows is null || _chunks is null)
        {
            throw new InvalidDataException("it lacks its schema, its number of rows or its row groups");
        }

        var found = _chunks.Aggregate(0L, (sum, chunk) => unchecked(sum + chunk.Rows));
        if (Leaf >= 0 && found != rows)
        {
            throw new InvalidDataException($"{rows} rows stated where the row groups have {found}");
        }
    }

    private void ReadSchema(ref ThriftReader reader, int id, ThriftReader.Kind kind)
    {
        if (_schema.Length > 0)
        {
            throw new InvalidDataException("two schemas");
        }

        _schema = new SchemaElement[reader.List(id, kind, ThriftReader.Kind.Struct)];
        for (var index = 0; index < _schema.Length; index++)
        {
            _schema[index] = SchemaElement.Read(ref reader);
        }

        var next = 1;
        for (var child = 0; _schema.Length > 0 && child < _schema[0].Children; child++)
        {
            VisitNode(ref next, next < _schema.Length ? _schema[next].Name : "", level: 0, depth: 1);
        }

        if (next != _schema.Length)
        {
            throw new InvalidDataException($"a schema of {_schema.Length} nodes of which {next} hang together");
        }
    }

    private void VisitNode(ref int next, string column, int level, int depth)
    {
        if (next >= _schema.Length || depth > DeepestSchema)
        {
            throw new InvalidDataException(depth > DeepestSchema
                ? $"a schema of more than {DeepestSchema} levels"
                : $"a schema of {_schema.Length} nodes that names more");
        }

        var element = _schema[next++];
        level += element.IsOptional || element.IsRepeated ? 1 : 0;
        if (element.Type is null)
        {
            for (var child = 0; child < element.Children; child++)
            {
                VisitNode(ref next, column, level, depth + 1);
            }

            return;
        }

        if (element.Children > 0)
        {
            throw new InvalidDataException($"schema node {element.Name} has both a type and {element.Children} children");
        }

        if (column == _column && Leaf < 0)
        {
            (Leaf, _leafLevel) = (_leafCount, level);
        }

        if (column == MaskColumnName && MaskLeaf < 0)
        {
            MaskLeaf = _leafCount;
        }

        _leafCount++;
    }

    private void ReadRowGroups(ref ThriftReader reader, int id, ThriftReader.Kind kind)
    {
        if (_schema.Length == 0 || _chunks is not null)
        {
            throw new InvalidDataException(_schema.Length == 0 ? "row groups before their schema" : "row groups twice");
        }

        var count = reader.List(id, kind, ThriftReader.Kind.Struct);
        var (chunks, masks) = (new List<ColumnChunk>(count), new List<ColumnChunk>(MaskLeaf < 0 ? 0 : count));
        for (var group = 0; group < count; group++)
        {
            var (ids, mask) = ReadRowGroup(ref reader, group);
            chunks.Add(ids);
            masks.AddRange(MaskLeaf >= 0 ? [mask] : []);
        }

        _chunks = Leaf >= 0 ? [.. chunks] : [];
        _maskChunks = [.. masks];
    }

    private (ColumnChunk Ids, ColumnChunk Mask) ReadRowGroup(ref ThriftReader reader, int group)
    {
        var (ids, mask) = (default(ColumnChunk), default(ColumnChunk));
        var columns = -1;
        long? rows = null;
        for (var id = 0; reader.Next(ref id, out var kind);)
        {
            switch (id)
            {
                case 1:
                    columns = reader.List(id, kind, ThriftReader.Kind.Struct);
                    for (var column = 0; column < columns; column++)
                    {
                        var read = ReadColumnChunk(ref reader);
                        ids = column == Leaf ? read : ids;
                        mask = column == MaskLeaf ? read : mask;
                    }

                    break;
                case 3:
                    rows = reader.Int64(id, kind);
                    break;
                default:
                    reader.Skip(kind);
                    break;
            }
        }

        if (columns != _leafCount || rows is not >= 0)
        {
            throw new InvalidDataException($"row group {group} with {columns} columns and {rows} rows, where the schema has {_leafCount} columns");
        }

        return (ids with { Rows = rows.Value }, mask with { Rows = rows.Value });
    }

    private ColumnChunk ReadColumnChunk(ref ThriftReader reader)
    {
        ColumnChunk? chunk = null;
        string? otherFile = null;
        var isEncrypted = false;
        for (var id = 0; reader.Next(ref id, out var kind);)
        {
            switch (id)
            {
                case 1:
                    otherFile = reader.String(id, kind);
                    break;
                case 3:
                    reader.Struct(id, kind);
                    chunk = ReadColumnMetaData(ref reader);
                    break;
                case 8 or 9:
                    isEncrypted = true;
                    reader.Skip(kind);
                    break;
                default:
                    reader.Skip(kind);
                    break;
            }
        }

        return chunk.GetValueOrDefault() with { OtherFile = otherFile, IsHidden = isEncrypted || chunk is null };
    }

    private ColumnChunk ReadColumnMetaData(ref ThriftReader reader)
    {
        int? type = null, codec = null;
        long? values = null, stored = null, dataStart = null, dictionaryStart = null;
        var (nulls, idsByLevel) = (-1L, -1L);
        StatedBounds bounds = default;
        for (var id = 0; reader.Next(ref id, out var kind);)
        {
            switch (id)
            {
                case 1:
                    type = reader.Int32(id, kind);
                    break;
                case 4:
                    codec = reader.Int32(id, kind);
                    break;
                case 5:
                    values = reader.Int64(id, kind);
                    break;
                case 7:
                    stored = reader.Int64(id, kind);
                    break;
                case 9:
                    dataStart = reader.Int64(id, kind);
                    break;
                case 11:
                    dictionaryStart = reader.Int64(id, kind);
                    break;
                case 12:
                    reader.Struct(id, kind);
                    nulls = StatedBounds.Read(ref reader, out bounds);
                    break;
                case 16:
                    reader.Struct(id, kind);
                    idsByLevel = ReadIdsByLevel(ref reader);
                    break;
                default:
                    reader.Skip(kind);
                    break;
            }
        }

        if (type is null || codec is null || values is null || stored is null || dataStart is null)
        {
            throw new InvalidDataException("column metadata without type, codec, number of values, size or place");
        }

        return new ColumnChunk
        {
            Rows = 0,
            Values = values.Value,
            Start = dictionaryStart is > 0 && dictionaryStart < dataStart ? dictionaryStart.Value : dataStart.Value,
            StoredBytes = stored.Value,
            Codec = (Codec)codec.Value,
            Type = type.Value,
            Nulls = nulls,
            Bounds = bounds,
            IdsByLevel = idsByLevel,
            OtherFile = null,
            IsHidden = false,
        };
    }

    private long ReadIdsByLevel(ref ThriftReader reader)
    {
        var ids = -1L;
        for (var id = 0; reader.Next(ref id, out var kind);)
        {
            if (id != 3)
            {
                reader.Skip(kind);
                continue;
            }

            var count = reader.List(id, kind, ThriftReader.Kind.Int64);
            for (var level = 0; level < count; level++)
            {
                var slots = reader.Int64Element();
                ids = count == _leafLevel + 1 && level == _leafLevel ? slots : ids;
            }
        }

        return ids;
    }
}
