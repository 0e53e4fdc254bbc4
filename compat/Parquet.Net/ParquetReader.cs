using Parquet.Columns;
using Parquet.Meta;
using Parquet.Schema;

namespace Parquet;

/// <summary>An open Parquet file. Every length in it is checked before it is used.</summary>
public class ParquetReader : IAsyncDisposable
{
    private readonly ByteSource _source;
    private readonly FileMetaData _metadata;
    private readonly ParquetRowGroupReader[] _rowGroups;

    private ParquetReader(ByteSource source, FileMetaData metadata, ParquetSchema schema, long footerOffset)
    {
        _source = source;
        _metadata = metadata;
        _rowGroups = new ParquetRowGroupReader[metadata.RowGroups.Count];
        for (var i = 0; i < _rowGroups.Length; i++)
        {
            _rowGroups[i] = new ParquetRowGroupReader(source, i, metadata.RowGroups[i], schema, footerOffset);
        }

        Schema = schema;
    }

    /// <summary>Key-value entries of the footer; of a key that is there twice, the last.</summary>
    public Dictionary<string, string> CustomMetadata
    {
        get
        {
            var entries = new Dictionary<string, string>();
            foreach (var entry in _metadata.KeyValueMetadata ?? [])
            {
                entries[entry.Key] = entry.Value ?? string.Empty;
            }

            return entries;
        }
    }

    public int RowGroupCount => _rowGroups.Length;

    public ParquetSchema Schema { get; }

    public FileMetaData? Metadata => _metadata;

    /// <exception cref="ParquetException">The file is no Parquet file, is damaged, or is encrypted.</exception>
    public static Task<ParquetReader> CreateAsync(
        string filePath, ParquetOptions? parquetOptions = null, CancellationToken cancellationToken = default)
        => OpenAsync(new FileByteSource(filePath), cancellationToken);

    /// <param name="input">A stream that can read and seek; all row group readers move its position.</param>
    /// <exception cref="ArgumentException">The stream cannot read or seek.</exception>
    /// <exception cref="ParquetException">The content is no Parquet file, is damaged, or is encrypted.</exception>
    public static Task<ParquetReader> CreateAsync(
        Stream input, ParquetOptions? parquetOptions = null, bool leaveStreamOpen = true, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        if (!input.CanRead || !input.CanSeek)
        {
            throw new ArgumentException("A Parquet file is read from its end: the stream must be able to read and to seek.", nameof(input));
        }

        return OpenAsync(new StreamByteSource(input, leaveStreamOpen), cancellationToken);
    }

    /// <param name="index">0 to <see cref="RowGroupCount"/> - 1.</param>
    public ParquetRowGroupReader OpenRowGroupReader(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, RowGroupCount);
        return _rowGroups[index];
    }

    public ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return _source.DisposeAsync();
    }

    private static async Task<ParquetReader> OpenAsync(ByteSource source, CancellationToken cancellationToken)
    {
        try
        {
            var (metadata, schema, offset) = await FooterReader.ReadAsync(source, cancellationToken).ConfigureAwait(false);
            return new ParquetReader(source, metadata, schema, offset);
        }
        catch
        {
            await source.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }
}
