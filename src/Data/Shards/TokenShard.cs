using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using KvShiftScale.Data.Files;
using KvShiftScale.Data.Shards.Format;

namespace KvShiftScale.Data.Shards;

/// <summary>
/// An open Parquet file of tokenized documents: one row per document with its ids in the list column <c>input_ids</c>, as this project,
/// pyarrow, DuckDB, Spark or Hugging Face write it. For one thread at a time.
/// </summary>
/// <remarks>
/// A null list is an empty document. A null id, an id outside the vocabulary and anything that contradicts the footer is an
/// <see cref="InvalidDataException"/> naming file, row group and document. Ids for which a list column <c>attention_mask</c> has 0 are padding and are
/// left out.
/// </remarks>
public sealed class TokenShard : IDisposable
{
    /// <summary>The column that holds the ids.</summary>
    public const string ColumnName = ShardFooter.IdColumnName;

    /// <summary>File metadata key: hash of the tokenizer.</summary>
    public const string TokenizerKey = "kvshift.tokenizer";

    /// <summary>File metadata key: number of ids of the tokenizer's vocabulary.</summary>
    public const string VocabularySizeKey = "kvshift.vocab_size";

    /// <summary>File metadata key: CRC-32C of the stored ids of each row group, in order, eight hexadecimal digits each.</summary>
    public const string ChecksumsKey = "kvshift.row_group_crc32c";

    // The null count of a list column includes empty and null lists in these; of others it may not, so their levels are read.
    private static readonly string[] WritersThatCountEmptyListsAsNull = ["Parquet.Net ", "KvShiftScale ", "DuckDB ", "parquet-rs ", "parquet-mr "];

    private readonly ShardFile _file;
    private readonly FencedReader _reader;
    private readonly IdColumn _column;
    private readonly IdColumn? _mask;
    private readonly RowGroupCounts?[] _counts;
    private readonly uint[]? _checksums;
    private DocumentGroup? _counted;
    private DocumentGroup? _padding;

    private TokenShard(string path, ShardFile file, FencedReader reader)
    {
        Path = path;
        _file = file;
        _reader = reader;
        _column = new IdColumn(path, reader.Schema, reader.Footer);
        _mask = reader.Footer.MaskLeaf < 0 ? null : new IdColumn(path, reader.Schema, reader.Footer, isMask: true);
        _counts = new RowGroupCounts?[reader.Footer.Chunks.Count];
        TokenizerHash = reader.Metadata.GetValueOrDefault(TokenizerKey);
        if (reader.Metadata.TryGetValue(VocabularySizeKey, out var size))
        {
            VocabularySize = ParseVocabularySize(size);
        }

        if (reader.Metadata.TryGetValue(ChecksumsKey, out var checksums))
        {
            _checksums = ParseChecksums(checksums);
        }
    }

    /// <summary>The file, as it was named.</summary>
    public string Path { get; }

    /// <summary>Hash of the tokenizer, where the file's metadata states it.</summary>
    public string? TokenizerHash { get; }

    /// <summary>Vocabulary size, where the file's metadata states it.</summary>
    public int? VocabularySize { get; }

    /// <summary>Length of the file in bytes.</summary>
    public long ByteCount => _file.Length;

    /// <summary>Length and time of the file when it was opened.</summary>
    internal FileStamp Stamp => _file.Stamp;

    /// <summary>Number of row groups.</summary>
    public int RowGroupCount => _counts.Length;

    /// <summary>
    /// Most bytes that a row group read so far took while it was decoded: its pages as they are stored, the largest of them decompressed, 4 a
    /// document and 4 an id; and the same for an <c>attention_mask</c> that had to be read.
    /// </summary>
    public long PeakDecodedBytes => _column.PeakDecodedBytes + (_mask?.PeakDecodedBytes ?? 0);

    /// <summary>Schema, and where pages lie.</summary>
    internal ShardFooter Footer => _reader.Footer;

    /// <summary>The program that wrote the file, as it names itself; empty where it does not.</summary>
    internal string CreatedBy => _reader.CreatedBy;

    /// <summary>Opens a shard and reads its footer.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is no Parquet file, is truncated, or has no usable <c>input_ids</c>.</exception>
    /// <exception cref="ShardFileException">The file system fails.</exception>
    public static TokenShard Open(string path) => Open(path, new ReadAccess(), expected: null, CancellationToken.None);

    /// <summary>Opens a shard in a given way.</summary>
    /// <param name="path">The file.</param>
    /// <param name="access">How often failed reads are repeated.</param>
    /// <param name="expected">What the file was when it was seen first; null when this is the first time.</param>
    /// <param name="cancellation">Ends pauses between repetitions.</param>
    internal static TokenShard Open(string path, ReadAccess access, FileStamp? expected, CancellationToken cancellation)
    {
        var file = new ShardFile(path, access, expected, cancellation);
        FencedReader? reader = null;
        try
        {
            reader = OpenReader(path, file);
            return new TokenShard(path, file, reader);
        }
        catch
        {
            reader?.Dispose();
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Documents and tokens of a row group, exactly: from the footer where it has a histogram of definition levels or its writer is known
    /// to count every slot without an id as null, otherwise by reading the row group once.
    /// </summary>
    /// <exception cref="InvalidDataException">The footer or the row group is damaged.</exception>
    public RowGroupCounts Counts(int rowGroup)
        => StatedCounts(rowGroup) ?? (_counts[rowGroup] = CountsFromPages(rowGroup)).Value;

    /// <summary>The same where the footer states it; null where the row group has to be read.</summary>
    internal RowGroupCounts? StatedCounts(int rowGroup) => _counts[rowGroup] ??= CountsFromFooter(rowGroup);

    /// <summary>Documents of a row group, empty ones included, as the footer states them.</summary>
    internal int DocumentsOf(int rowGroup) => Extent(rowGroup).Rows;

    /// <summary>The smallest and the largest id of a row group, where the footer states them and none may be padding.</summary>
    internal IdRange? StatedIds(int rowGroup) => MayBePadded(rowGroup) ? null : _column.StatedIds(rowGroup);

    /// <summary>SHA-256 of the footer, in lower-case hexadecimal. It has the place, size and statistics of every page's column chunk.</summary>
    internal string FooterHash()
    {
        var left = Footer.Length;
        _file.Position = Footer.Start;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = ArrayPool<byte>.Shared.Rent(1 << 16);
        for (int count; left > 0; left -= count)
        {
            count = Math.Min(left, buffer.Length);
            _file.ReadExactly(buffer.AsSpan(0, count));
            hash.AppendData(buffer, 0, count);
        }

        ArrayPool<byte>.Shared.Return(buffer);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Reads one row group into fresh buffers; otherwise like the overload that fills given ones.</summary>
    public DocumentGroup ReadRowGroup(int index, int? vocabularySize = null)
    {
        var group = new DocumentGroup();
        ReadRowGroup(index, group, vocabularySize);
        return group;
    }

    /// <summary>Reads one row group.</summary>
    /// <param name="index">The row group, in file order.</param>
    /// <param name="destination">Receives the documents; its buffers grow as needed and are reused.</param>
    /// <param name="vocabularySize">Ids must be below it; without it they must only not be negative.</param>
    /// <exception cref="InvalidDataException">The row group is damaged, or holds an id that is null or outside the vocabulary.</exception>
    public void ReadRowGroup(int index, DocumentGroup destination, int? vocabularySize = null)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)RowGroupCount);
        try
        {
            _column.Read(_reader, index, _checksums?[index], destination);
            if (MayBePadded(index))
            {
                _padding ??= new DocumentGroup();
                _mask!.Read(_reader, index, checksum: null, _padding);
                if (destination.LeaveOutPadding(_padding) is { } fault)
                {
                    throw new InvalidDataException($"{_mask.PlaceOf(Footer.MaskChunks[index])}: {fault}");
                }
            }
        }
        catch (InvalidDataException exception)
        {
            _file.RequireUnchanged();
            throw Damaged(index, exception);
        }

        // Whatever was decoded is of no use if the file changed meanwhile.
        _file.RequireUnchanged();
        var bad = VocabularyCheck.IndexOfInvalid(destination.Ids, vocabularySize);
        if (bad >= 0)
        {
            throw OutsideVocabulary(index, destination, bad, vocabularySize);
        }

        if (_counts[index] is { } counts && counts.Tokens != destination.TokenCount)
        {
            throw new InvalidDataException(
                $"{Path}: row group {index}: {PlaceOf(index)} its pages hold {destination.TokenCount} tokens, the footer's statistics promise "
                + $"{counts.Tokens}. The file was damaged or changed while in use; write it again.");
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose()
    {
        _reader.Dispose();
        _file.Dispose();
    }

    private static FencedReader OpenReader(string path, ShardFile file)
    {
        try
        {
            return FencedReader.Open(file);
        }
        catch (InvalidDataException exception)
        {
            throw new InvalidDataException(
                $"{path}: the {file.Length} bytes are no complete Parquet file: {exception.Message} Write or copy the file again.", exception);
        }
    }

    private int ParseVocabularySize(string text)
        => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var size) && size > 0
            ? size
            : throw new InvalidDataException($"{Path}: file metadata {VocabularySizeKey} is '{text}'; it must be a positive number.");

    private uint[] ParseChecksums(string text)
    {
        var checksums = new uint[RowGroupCount];
        for (var index = 0; index < checksums.Length; index++)
        {
            if (text.Length != 8 * checksums.Length
                || !uint.TryParse(text.AsSpan(8 * index, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out checksums[index]))
            {
                throw new InvalidDataException(
                    $"{Path}: file metadata {ChecksumsKey} has {text.Length} characters; it must be 8 hexadecimal digits for each of the "
                    + $"{checksums.Length} row groups. Write or copy the file again.");
            }
        }

        return checksums;
    }

    // Statistics that know ones alone, and no nulls, need no look at them.
    private bool MayBePadded(int index)
        => _mask is not null && !(Footer.MaskChunks[index].Nulls == 0 && _mask.StatedIds(index) == new IdRange(1, 1));

    private RowGroupCounts? CountsFromFooter(int index)
    {
        if (MayBePadded(index))
        {
            return null;
        }

        var countsEmptyLists = WritersThatCountEmptyListsAsNull.Any(known => CreatedBy.StartsWith(known, StringComparison.Ordinal));
        var (rows, slots) = Extent(index);
        var chunk = Footer.Chunks[index];
        var tokens = chunk.IdsByLevel >= 0 ? chunk.IdsByLevel : countsEmptyLists && chunk.Nulls >= 0 ? slots - chunk.Nulls : -1;
        return tokens >= 0 && slots - tokens is var nulls && nulls >= 0 && nulls <= rows ? new RowGroupCounts(rows, (int)tokens) : null;
    }

    private (int Rows, int Slots) Extent(int index)
    {
        try
        {
            return _column.Extent(Footer, index);
        }
        catch (InvalidDataException exception)
        {
            throw Damaged(index, exception);
        }
    }

    private string PlaceOf(int index) => $"({_column.PlaceOf(Footer.Chunks[index])})";

    private RowGroupCounts CountsFromPages(int index)
    {
        _counted ??= new DocumentGroup();
        ReadRowGroup(index, _counted);
        return new RowGroupCounts(_counted.DocumentCount, _counted.TokenCount);
    }

    private InvalidDataException Damaged(int index, InvalidDataException exception)
        => new($"{Path}: row group {index}: {exception.Message}", exception);

    private InvalidDataException OutsideVocabulary(int index, DocumentGroup group, int token, int? vocabularySize)
    {
        var document = IdColumn.DocumentOf(group.Offsets, token);
        var rule = vocabularySize is null ? "ids are not negative" : $"ids must be in [0, {vocabularySize}), the model's vocabulary";
        return new InvalidDataException(
            $"{Path}: row group {index}: document {document}: token {token - group.Offsets[document]} is {group.Ids[token]}; {rule}. "
            + $"Use the tokenizer that made the shard, or a model with its vocabulary. {PlaceOf(index)}");
    }
}
