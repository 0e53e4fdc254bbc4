using System.Buffers;
using System.Buffers.Binary;
using Parquet.Columns;
using Parquet.Compression;
using Parquet.Meta;
using Parquet.Schema;
using Parquet.Thrift;

namespace Parquet;

/// <summary>
/// Writes a file, row group by row group. The footer, without which nothing can read the file, is written on disposal, and only if
/// every row group is complete: a file whose writing failed stays unreadable rather than short.
/// </summary>
public sealed class ParquetWriter : IAsyncDisposable
{
    private const string CreatedBy = "KvShiftScale compat";

    private readonly ByteTarget _target;
    private readonly ParquetSchema _schema;
    private readonly ParquetOptions _options;
    private readonly PageCompressor _compressor;
    private readonly List<RowGroup> _rowGroups = [];
    private bool _groupIsOpen;
    private bool _hasFailed;
    private bool _isDisposed;

    private ParquetWriter(ParquetSchema schema, Stream output, ParquetOptions options)
    {
        _schema = schema;
        _options = options;
        _target = new ByteTarget(output);
        _compressor = new PageCompressor(options.CompressionMethod, options.CompressionLevel);
    }

    /// <summary>Entries of the footer, to be set at any time before disposal.</summary>
    public IReadOnlyDictionary<string, string> CustomMetadata { get; set; } = new Dictionary<string, string>();

    /// <summary>Begins a file.</summary>
    /// <param name="output">A stream at its beginning; it stays open.</param>
    /// <param name="append">Must be false: adding to a file would put its old footer at risk.</param>
    /// <exception cref="NotSupportedException">Appending, or a compression method that is not written.</exception>
    public static async Task<ParquetWriter> CreateAsync(
        ParquetSchema schema,
        Stream output,
        ParquetOptions? options = null,
        bool append = false,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(schema);
        ArgumentNullException.ThrowIfNull(output);
        if (append)
        {
            throw new NotSupportedException("Appending to a Parquet file is not supported; write a new file.");
        }

        if (schema.Fields.Count == 0)
        {
            throw new ArgumentException("A Parquet file needs at least one column.", nameof(schema));
        }

        var writer = new ParquetWriter(schema, output, options ?? new ParquetOptions());
        await writer._target.WriteAsync(FooterReader.Magic.ToArray(), cancellationToken).ConfigureAwait(false);
        return writer;
    }

    /// <summary>Begins a row group; the one before must be disposed.</summary>
    public ParquetRowGroupWriter CreateRowGroup()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (_groupIsOpen)
        {
            throw new InvalidOperationException("The row group before is still open: dispose it before the next one is created.");
        }

        _groupIsOpen = true;
        var chunks = new ColumnChunkWriter(_target, _compressor, _options.CompressionMethod);
        return new ParquetRowGroupWriter(this, chunks, _schema.DataFields, _options.ColumnEncodingHints);
    }

    public async ValueTask DisposeAsync()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        _compressor.Dispose();
        if (!_hasFailed && !_groupIsOpen)
        {
            await WriteFooterAsync().ConfigureAwait(false);
        }

        await _target.FlushAsync().ConfigureAwait(false);
    }

    /// <summary>Takes over a finished row group.</summary>
    internal void Close(RowGroup group)
    {
        _groupIsOpen = false;
        group.Ordinal = _rowGroups.Count <= short.MaxValue ? (short)_rowGroups.Count : null;
        _rowGroups.Add(group);
    }

    /// <summary>A row group was given up; the file cannot be finished.</summary>
    internal void Fail()
    {
        _groupIsOpen = false;
        _hasFailed = true;
    }

    private async Task WriteFooterAsync()
    {
        var elements = new List<SchemaElement> { new() { Name = "schema", NumChildren = _schema.Fields.Count } };
        foreach (var field in _schema.Fields)
        {
            field.Describe(elements);
        }

        var metadata = new FileMetaData
        {
            Version = 1,
            Schema = elements,
            NumRows = _rowGroups.Sum(group => group.NumRows),
            RowGroups = _rowGroups,
            KeyValueMetadata = CustomMetadata?.Select(entry => new KeyValue { Key = entry.Key, Value = entry.Value }).ToList(),
            CreatedBy = CreatedBy,
        };
        var footer = new ArrayBufferWriter<byte>();
        MetadataWriter.WriteFile(metadata, _schema.DataFields.Length, footer);
        var length = footer.WrittenCount;
        BinaryPrimitives.WriteInt32LittleEndian(footer.GetSpan(4), length);
        footer.Advance(4);
        footer.Write(FooterReader.Magic);
        await _target.WriteAsync(footer.WrittenMemory, CancellationToken.None).ConfigureAwait(false);
    }
}
