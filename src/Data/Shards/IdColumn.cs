using KvShiftScale.Data.Shards.Format;
using ParquetSharp;

namespace KvShiftScale.Data.Shards;

/// <summary>
/// The list column of a shard's ids and how it becomes documents: three-level lists, two-level ones and a bare repeated number; every
/// integer type that holds an id. The mask of padding beside it is a list of numbers of the same kind, and is read in the same way.
/// </summary>
internal sealed class IdColumn
{
    // Slots that are set aside for without proof, and for each stored byte.
    private const int TrustedSlots = 1 << 20;
    private const int TrustedSlotsPerByte = 8;

    private readonly int _leaf;
    private readonly IReadOnlyList<ColumnChunk> _chunks;
    private readonly string _path;
    private readonly PhysicalType _type;
    private readonly short _idLevel;
    private readonly short _elementLevel;

    // Ids are below this number by the type that the column states, whatever the width of its numbers in the file.
    private readonly long _limit = 1L << 31;
    private readonly bool _isUnsigned;

    /// <param name="path">The file.</param>
    /// <param name="schema">Its schema.</param>
    /// <param name="footer">Its footer.</param>
    /// <param name="isMask">The column that tells padding, which is there, instead of the ids.</param>
    /// <exception cref="InvalidDataException">The schema has no such usable column; the message names the file.</exception>
    public IdColumn(string path, SchemaDescriptor schema, ShardFooter footer, bool isMask = false)
    {
        var name = isMask ? ShardFooter.MaskColumnName : ShardFooter.IdColumnName;
        _chunks = isMask ? footer.MaskChunks : footer.Chunks;
        var (columns, own) = (new List<string>(), new List<int>());
        for (var leaf = 0; leaf < schema.NumColumns; leaf++)
        {
            var top = PathOf(schema.Column(leaf))[0];
            if (columns.Count == 0 || columns[^1] != top)
            {
                columns.Add(top);
            }

            if (top == name)
            {
                own.Add(leaf);
            }
        }

        if (own.Count == 0)
        {
            throw new InvalidDataException(
                $"{path}: there is no column {TokenShard.ColumnName}; its columns are: {string.Join(", ", columns)}. A token shard holds a list "
                + "of ids per document; text becomes shards with 'kvshift data prepare'.");
        }

        _leaf = own[0];
        var column = schema.Column(_leaf);
        var names = PathOf(column);
        _path = string.Join('/', names);
        if (own.Count > 1 || column.MaxRepetitionLevel != 1 || names.Length > 3 || _leaf != (isMask ? footer.MaskLeaf : footer.Leaf))
        {
            throw new InvalidDataException(
                $"{path}: column {name} (leaf {_path}, {column.MaxRepetitionLevel} repeated levels) is not a list of numbers; "
                + "write it as a list of int32.");
        }

        _type = column.PhysicalType;
        _idLevel = column.MaxDefinitionLevel;
        using var node = column.SchemaNode;
        _elementLevel = (short)(_idLevel - (node.Repetition == Repetition.Optional ? 1 : 0));
        using var meaning = FencedReader.MeaningOf(path, column);
        if (meaning is IntLogicalType integer)
        {
            _isUnsigned = !integer.IsSigned;
            _limit = 1L << Math.Min(31, integer.IsSigned ? integer.BitWidth - 1 : integer.BitWidth);
        }

        var isNumber = meaning is IntLogicalType { BitWidth: > 8 } or IntLogicalType { IsSigned: false } or NoneLogicalType || (isMask && meaning is IntLogicalType);
        if (_type is not (PhysicalType.Int32 or PhysicalType.Int64) || !isNumber)
        {
            throw new InvalidDataException(
                $"{path}: column {name} holds {_type}{(meaning is NoneLogicalType ? "" : $" ({meaning.Type})")}; "
                + (isMask ? "0 and 1 must be integers. Write it as a list of int8, or leave it out together with the padding."
                    : "ids must be integers of 8 to 64 bits. Write it as a list of int32."));
        }
    }

    /// <summary>Most bytes that decoding a row group has taken so far: its pages as stored, the largest one decompressed, ids, offsets, levels.</summary>
    public long PeakDecodedBytes { get; private set; }

    /// <summary>Checks what the footer says of a row group.</summary>
    /// <returns>Documents, and slots: ids, nulls and empty lists.</returns>
    /// <exception cref="InvalidDataException">It contradicts itself, or names more than is read; the message starts with the place.</exception>
    public (int Rows, int Slots) Extent(ShardFooter footer, int rowGroup)
    {
        var chunk = _chunks[rowGroup];
        if (chunk.FaultIn(footer, _type) is { } fault)
        {
            throw Refused(chunk, fault);
        }

        return ((int)chunk.Rows, (int)chunk.Values);
    }

    /// <summary>The smallest and the largest id of a row group, as the footer states them; null where it does not, or contradicts itself.</summary>
    public IdRange? StatedIds(int rowGroup)
    {
        var bounds = _chunks[rowGroup].Bounds;
        // The older fields have no order that holds for unsigned numbers.
        var smallest = Id(bounds.Smallest ?? (_isUnsigned ? null : bounds.OlderSmallest));
        var largest = Id(bounds.Largest ?? (_isUnsigned ? null : bounds.OlderLargest));
        return smallest is { } first && largest is { } last && first <= last ? new IdRange(first, last) : null;

        // Beyond the largest signed number is beyond every vocabulary.
        long? Id(long? stated) => !_isUnsigned ? stated : _type == PhysicalType.Int32 ? (uint?)stated : stated < 0 ? long.MaxValue : stated;
    }

    /// <summary>What messages say about where the ids of a row group lie in the file.</summary>
    public string PlaceOf(in ColumnChunk chunk) => $"column {_path}: chunk at byte {chunk.Start}";

    /// <summary>Decodes a row group.</summary>
    /// <exception cref="InvalidDataException">
    /// The data contradicts the footer, or an id is null or no int32; the message starts with the place.
    /// </exception>
    public void Read(FencedReader file, int rowGroup, uint? checksum, DocumentGroup destination)
    {
        var (rows, slots) = Extent(file.Footer, rowGroup);
        var chunk = _chunks[rowGroup];
        var proven = (int)Math.Min(slots, Math.Max(TrustedSlots, TrustedSlotsPerByte * chunk.StoredBytes));
        destination.Begin(proven, Math.Min(rows, proven));
        if (slots > 0)
        {
            var buffers = RowGroupBuffers.Rent();
            try
            {
                using var column = file.OpenColumn(rowGroup, _leaf, chunk, checksum);
                ReadSlots(column, buffers, slots, rows, destination);
            }
            catch (InvalidDataException exception)
            {
                throw Refused(chunk, exception.Message, exception);
            }
            finally
            {
                buffers.Return();
            }
        }

        destination.Finish(rows);
        var wideBytes = _type == PhysicalType.Int64 ? RowGroupBuffers.Slots * sizeof(long) : 0;
        PeakDecodedBytes = Math.Max(PeakDecodedBytes,
            chunk.StoredBytes + file.LargestPage + RowGroupBuffers.LevelBytes + wideBytes + (slots * (long)sizeof(int)) + ((rows + 1L) * sizeof(int)));
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

    private static string[] PathOf(ColumnDescriptor column)
    {
        using var path = column.Path;
        return path.ToDotVector();
    }

    private InvalidDataException Refused(in ColumnChunk chunk, string fault, Exception? inner = null) => new($"{PlaceOf(chunk)}: {fault}", inner);

    private void ReadSlots(FencedReader.Column column, RowGroupBuffers buffers, int slots, int rows, DocumentGroup destination)
    {
        var documents = new DocumentLevels(destination, rows, _idLevel, _elementLevel);
        for (var slot = 0; slot < slots;)
        {
            var wanted = Math.Min(RowGroupBuffers.Slots, slots - slot);
            var ids = destination.Room(documents.IdCount, wanted);
            var definition = buffers.Definition.AsSpan(0, wanted);
            var repetition = buffers.Repetition.AsSpan(0, wanted);
            var count = _type == PhysicalType.Int32
                ? column.Read(definition, repetition, ids, out var found)
                : column.Read(definition, repetition, buffers.Wide.AsSpan(0, wanted), out found);

            // On damaged pages the package says that there is more and gives nothing.
            if (count <= 0 || count > wanted)
            {
                throw new InvalidDataException($"its pages end after {slot} of the {slots} values that the footer states");
            }

            var held = documents.Add(definition[..count], repetition[..count]);
            if (held != found)
            {
                throw new InvalidDataException($"its pages hold {found} ids where levels announce {held}, from value {slot} on");
            }

            RequireInType(buffers, ids[..held], documents);
            slot += count;
        }

        documents.Finish();
    }

    /// <summary>Narrows ids where they are wider than int32 and refuses what the column's type, or int32, does not hold.</summary>
    private void RequireInType(RowGroupBuffers buffers, Span<int> ids, in DocumentLevels documents)
    {
        var first = documents.IdCount - ids.Length;
        if (_type == PhysicalType.Int64 && IdNarrowing.IndexOfLoss(buffers.Wide.AsSpan(0, ids.Length), ids) is >= 0 and var lost)
        {
            var id = buffers.Wide[lost];
            throw new InvalidDataException($"{documents.PlaceOf(first + lost)} is {(_isUnsigned ? (ulong)id : id)}, beyond int32");
        }

        // Negative ids of a signed type are refused with those of any other.
        var isNarrow = _limit <= int.MaxValue || _isUnsigned;
        if (isNarrow && VocabularyCheck.IndexOfInvalid(ids, _limit <= int.MaxValue ? (int)_limit : null) is >= 0 and var outside
            && (_isUnsigned || ids[outside] >= 0))
        {
            throw new InvalidDataException(_limit > int.MaxValue
                ? $"{documents.PlaceOf(first + outside)} is {(_type == PhysicalType.Int64 ? (ulong)buffers.Wide[outside] : (uint)ids[outside])}, beyond int32"
                : $"{documents.PlaceOf(first + outside)} is {ids[outside]}, beyond the column's type");
        }
    }
}
