using System.Globalization;
using System.Text;
using KvShiftScale.Data.Shards.Format;
using Parquet;
using Parquet.Schema;

namespace KvShiftScale.Data.Shards;

/// <summary>
/// Writes one token shard: a Parquet file with a row per document and the required int32 list column <c>input_ids</c>. The file has its
/// name only when <see cref="Complete"/> has returned; until then, and for good when the writer is disposed early, it does not exist.
/// </summary>
public sealed class TokenShardWriter : IDisposable
{
    private const string TemporarySuffix = ".partial";

    private readonly string _path;
    private readonly ShardWriterOptions _options;
    private readonly DataField<int> _element = new("element", nullable: false);
    private readonly FileStream _file;
    private readonly ChecksummedStream _checksummed;
    private readonly ParquetWriter _writer;

    // Documents of the row group that is being gathered, one after the other, and their lengths.
    private int[] _ids;
    private int _idCount;
    private readonly List<int> _lengths = [];

    private int[] _definitionLevels = [];
    private int[] _repetitionLevels = [];
    private readonly StringBuilder _checksums = new();
    private bool _closed;

    /// <param name="path">The finished file; an existing one is replaced by <see cref="Complete"/>.</param>
    /// <param name="options">Compression, row groups and metadata.</param>
    public TokenShardWriter(string path, ShardWriterOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.RowGroupTokens, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.VocabularySize, 1);
        RequireReadable(options);
        _path = path;
        _options = options;
        _ids = new int[options.RowGroupTokens];
        _file = new FileStream(path + TemporarySuffix, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 1 << 16);
        _checksummed = new ChecksummedStream(_file);
        var schema = new ParquetSchema(new ListField(TokenShard.ColumnName, _element));
        var format = new ParquetOptions { CompressionMethod = options.Compression, CompressionLevel = options.CompressionLevel };
        format.ColumnEncodingHints[$"{TokenShard.ColumnName}/list/element"] = options.Encoding;
        _writer = ParquetWriter.CreateAsync(schema, _checksummed, format).GetAwaiter().GetResult();
    }

    /// <summary>Documents appended so far.</summary>
    public long DocumentCount { get; private set; }

    /// <summary>Tokens appended so far.</summary>
    public long TokenCount { get; private set; }

    /// <summary>Adds one document, possibly empty. A document is never divided between row groups.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An id lies outside the vocabulary.</exception>
    public void Append(ReadOnlySpan<int> document)
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        var bad = VocabularyCheck.IndexOfInvalid(document, _options.VocabularySize);
        if (bad >= 0)
        {
            throw new ArgumentOutOfRangeException(nameof(document), document[bad],
                $"{_path}: token {bad} of document {DocumentCount} is {document[bad]}; ids must be in [0, {_options.VocabularySize}), "
                + "the vocabulary of the tokenizer named in the shard.");
        }

        var needed = checked(_idCount + document.Length);
        if (needed > _ids.Length)
        {
            Array.Resize(ref _ids, Math.Max(needed, (int)Math.Min(2L * _ids.Length, Array.MaxLength)));
        }

        document.CopyTo(_ids.AsSpan(_idCount));
        _idCount = needed;
        _lengths.Add(document.Length);
        DocumentCount++;
        TokenCount += document.Length;

        // A slot of an empty document costs a reader as much as a token.
        if (_idCount + (_lengths.Count >> 2) >= _options.RowGroupTokens)
        {
            WriteRowGroup();
        }
    }

    /// <summary>Writes what is left, the footer, flushes the file to the disk and gives it its name.</summary>
    public void Complete()
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        if (_lengths.Count > 0)
        {
            WriteRowGroup();
        }

        _writer.CustomMetadata = new Dictionary<string, string>(_options.DocumentMarks())
        {
            [TokenShard.TokenizerKey] = _options.TokenizerHash,
            [TokenShard.VocabularySizeKey] = _options.VocabularySize.ToString(CultureInfo.InvariantCulture),
            [TokenShard.ChecksumsKey] = _checksums.ToString(),
        };
        _writer.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _file.Flush(flushToDisk: true);
        _file.Dispose();
        File.Move(_path + TemporarySuffix, _path, overwrite: true);
        _closed = true;
    }

    /// <summary>Gives up a shard that was not completed: nothing of it remains.</summary>
    public void Dispose()
    {
        if (!_closed)
        {
            _closed = true;
            _file.Dispose();
            File.Delete(_path + TemporarySuffix);
        }
    }

    private static void RequireReadable(ShardWriterOptions options)
    {
        if (options.Encoding is not (EncodingHint.Default or EncodingHint.DeltaBinaryPacked))
        {
            throw new ArgumentException(
                $"Shards are not written with {options.Encoding}; wanted is {EncodingHint.Default} or {EncodingHint.DeltaBinaryPacked}.", nameof(options));
        }

        if (options.Compression is CompressionMethod.LZ4 or CompressionMethod.Lzo)
        {
            throw new ArgumentException(
                $"Shards are not written with {options.Compression}; use {CompressionMethod.Zstd} or {CompressionMethod.Lz4Raw}.", nameof(options));
        }
    }

    private void WriteRowGroup()
    {
        var slotCount = 0;
        foreach (var length in _lengths)
        {
            slotCount += Math.Max(length, 1);
        }

        if (_definitionLevels.Length < slotCount)
        {
            _definitionLevels = new int[slotCount];
            _repetitionLevels = new int[slotCount];
        }

        // A list slot has repetition level 0 where a document begins. An empty document is a single slot, one definition level short.
        _definitionLevels.AsSpan(0, slotCount).Fill(_element.MaxDefinitionLevel);
        _repetitionLevels.AsSpan(0, slotCount).Fill(1);
        var slot = 0;
        foreach (var length in _lengths)
        {
            _repetitionLevels[slot] = 0;
            if (length == 0)
            {
                _definitionLevels[slot] = _element.MaxDefinitionLevel - 1;
            }

            slot += Math.Max(length, 1);
        }

        _checksummed.Restart();
        using var rowGroup = _writer.CreateRowGroup();
        rowGroup.WriteAllPartsAsync<int>(
            _element,
            _ids.AsMemory(0, _idCount),
            _definitionLevels.AsMemory(0, slotCount),
            _repetitionLevels.AsMemory(0, slotCount),
            CancellationToken.None).GetAwaiter().GetResult();
        rowGroup.CompleteValidate();
        _checksums.Append(CultureInfo.InvariantCulture, $"{_checksummed.Checksum:x8}");
        _idCount = 0;
        _lengths.Clear();
    }
}
