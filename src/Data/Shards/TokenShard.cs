using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using KvShiftScale.Data.Files;
using Parquet;

namespace KvShiftScale.Data.Shards;

/// <summary>
/// An open Parquet file of tokenized documents: one row per document with its ids in the list column <c>input_ids</c>, as this project,
/// pyarrow, DuckDB, Spark or Hugging Face write it. For one thread at a time.
/// </summary>
/// <remarks>
/// A null list is an empty document. A null id, an id outside the vocabulary and anything that contradicts the footer is an
/// <see cref="InvalidDataException"/> naming file, row group and document.
/// </remarks>
public sealed class TokenShard : IDisposable
{
    /// <summary>The column that holds the ids.</summary>
    public const string ColumnName = "input_ids";

    /// <summary>File metadata key: hash of the tokenizer.</summary>
    public const string TokenizerKey = "kvshift.tokenizer";

    /// <summary>File metadata key: number of ids of the tokenizer's vocabulary.</summary>
    public const string VocabularySizeKey = "kvshift.vocab_size";

    // The null count of a list column includes empty and null lists in these; of others it may not, so their levels are read.
    private static readonly string[] WritersThatCountEmptyListsAsNull = ["Parquet.Net ", "KvShiftScale ", "DuckDB ", "parquet-rs ", "parquet-mr "];

    // How the reader names a source that is no file of its own.
    private const string StreamName = "the stream: ";

    private readonly ShardFile _file;
    private readonly ParquetReader _reader;
    private readonly IdColumn _column;
    private readonly RowGroupCounts?[] _counts;
    private DocumentGroup? _counted;

    private TokenShard(string path, ShardFile file, ParquetReader reader)
    {
        Path = path;
        _file = file;
        _reader = reader;
        _column = new IdColumn(path, reader.Schema);
        _counts = new RowGroupCounts?[reader.RowGroupCount];
        TokenizerHash = reader.CustomMetadata.GetValueOrDefault(TokenizerKey);
        if (reader.CustomMetadata.TryGetValue(VocabularySizeKey, out var size))
        {
            VocabularySize = ParseVocabularySize(size);
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
    public int RowGroupCount => _reader.RowGroupCount;

    /// <summary>Most bytes that a row group read so far took while it was decoded: 4 a document and 12 an id, more where ids are no int32.</summary>
    public long PeakDecodedBytes => _column.PeakDecodedBytes;

    /// <summary>Schema and footer.</summary>
    internal ParquetReader Reader => _reader;

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
        try
        {
            return new TokenShard(path, file, OpenReader(path, file));
        }
        catch
        {
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
    internal int DocumentsOf(int rowGroup)
    {
        using var group = _reader.OpenRowGroupReader(rowGroup);
        try
        {
            return _column.Extent(group).Rows;
        }
        catch (Exception exception) when (IsDamage(exception))
        {
            throw Damaged(rowGroup, exception);
        }
    }

    /// <summary>The smallest and the largest id of a row group, where the footer states them.</summary>
    internal IdRange? StatedIds(int rowGroup)
    {
        using var group = _reader.OpenRowGroupReader(rowGroup);
        try
        {
            return _column.StatedIds(group);
        }
        catch (Exception exception) when (IsDamage(exception))
        {
            throw Damaged(rowGroup, exception);
        }
    }

    /// <summary>SHA-256 of the footer, in lower-case hexadecimal. It has the place, size and statistics of every page's column chunk.</summary>
    internal string FooterHash()
    {
        // A file ends with the footer, its length in 4 bytes and 4 bytes of magic; the reader has checked both.
        Span<byte> tail = stackalloc byte[8];
        _file.Position = _file.Length - tail.Length;
        _file.ReadExactly(tail);
        long left = BinaryPrimitives.ReadInt32LittleEndian(tail);
        _file.Position = _file.Length - tail.Length - left;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = ArrayPool<byte>.Shared.Rent(1 << 16);
        for (int count; left > 0; left -= count)
        {
            count = (int)Math.Min(left, buffer.Length);
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
        using (var group = _reader.OpenRowGroupReader(index))
        {
            try
            {
                _column.Read(group, destination);
            }
            catch (Exception exception) when (IsDamage(exception))
            {
                _file.RequireUnchanged();
                throw Damaged(index, exception);
            }
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
        _reader.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _file.Dispose();
    }

    private static ParquetReader OpenReader(string path, ShardFile file)
    {
        try
        {
            return ParquetReader.CreateAsync(file).GetAwaiter().GetResult();
        }
        catch (Exception exception) when (IsDamage(exception))
        {
            throw new InvalidDataException(
                $"{path}: the {file.Length} bytes are no complete Parquet file: {WithoutPlace(exception, StreamName)} "
                + "Write or copy the file again.",
                exception);
        }
    }

    // The package reports damaged pages with whatever its decoders run into, a bad footer as IOException, and a list in data page V2 as
    // NotImplementedException; the drop-in always throws ParquetException.
    private static bool IsDamage(Exception exception)
        => exception is not ShardFileException && exception is ParquetException or InvalidDataException or IOException or ArgumentException or ArithmeticException
            or IndexOutOfRangeException or InvalidOperationException or NotSupportedException or NotImplementedException;

    private int ParseVocabularySize(string text)
        => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var size) && size > 0
            ? size
            : throw new InvalidDataException($"{Path}: file metadata {VocabularySizeKey} is '{text}'; it must be a positive number.");

    private RowGroupCounts? CountsFromFooter(int index)
    {
        var writer = _reader.Metadata?.CreatedBy ?? "";
        var countsEmptyLists = WritersThatCountEmptyListsAsNull.Any(known => writer.StartsWith(known, StringComparison.Ordinal));
        using var group = _reader.OpenRowGroupReader(index);
        try
        {
            var (rows, slots, stated) = _column.Extent(group);
            var nulls = _column.NullsByLevel(group) ?? (countsEmptyLists ? stated : null);
            return nulls >= 0 && nulls <= rows ? new RowGroupCounts(rows, slots - (int)nulls) : null;
        }
        catch (Exception exception) when (IsDamage(exception))
        {
            throw Damaged(index, exception);
        }
    }

    private string PlaceOf(int index)
    {
        using var group = _reader.OpenRowGroupReader(index);
        return $"({_column.PlaceOf(group)})";
    }

    private RowGroupCounts CountsFromPages(int index)
    {
        _counted ??= new DocumentGroup();
        ReadRowGroup(index, _counted);
        return new RowGroupCounts(_counted.DocumentCount, _counted.TokenCount);
    }

    private InvalidDataException Damaged(int index, Exception exception)
        => new($"{Path}: row group {index}: {WithoutPlace(exception, StreamName, $"row group {index}, ")}", exception);

    // A reader that names file and row group itself need not be heard twice.
    private static string WithoutPlace(Exception exception, params ReadOnlySpan<string> places)
    {
        var message = exception.Message;
        foreach (var place in places)
        {
            message = message.StartsWith(place, StringComparison.Ordinal) ? message[place.Length..] : message;
        }

        return message;
    }

    private InvalidDataException OutsideVocabulary(int index, DocumentGroup group, int token, int? vocabularySize)
    {
        var document = IdColumn.DocumentOf(group.Offsets, token);
        var rule = vocabularySize is null ? "ids are not negative" : $"ids must be in [0, {vocabularySize}), the model's vocabulary";
        return new InvalidDataException(
            $"{Path}: row group {index}: document {document}: token {token - group.Offsets[document]} is {group.Ids[token]}; {rule}. "
            + $"Use the tokenizer that made the shard, or a model with its vocabulary. {PlaceOf(index)}");
    }
}
