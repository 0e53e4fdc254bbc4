using System.Buffers;
using KvShiftScale.Data.Files;
using ParquetSharp;
using ParquetSharp.IO;

namespace KvShiftScale.Data.Shards.Format;

/// <summary>
/// The package's reader of one file, behind the checks that come first. Whatever it ends with on damaged data is an
/// <see cref="InvalidDataException"/> without a path; what the file system ends with stays what it is. For one thread at a time.
/// </summary>
internal sealed class FencedReader : IDisposable
{
    private readonly FencedStream _stream;
    private readonly ManagedRandomAccessFile _file;
    private readonly ParquetFileReader _reader;

    private FencedReader(ShardFooter footer, FencedStream stream)
    {
        Footer = footer;
        _stream = stream;
        _file = new ManagedRandomAccessFile(stream, leaveOpen: true);
        try
        {
            using var properties = ReaderProperties.GetDefaultReaderProperties();
            properties.EnablePageChecksumVerification();
            properties.SetFooterReadSize(footer.Length + 8L);
            properties.SetThriftStringSizeLimit(footer.Length + 1);
            properties.SetThriftContainerSizeLimit(footer.Length + 1);
            _reader = new ParquetFileReader(_file, properties);
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    /// <summary>What the footer says of pages.</summary>
    public ShardFooter Footer { get; }

    /// <summary>The columns.</summary>
    public SchemaDescriptor Schema => _reader.FileMetaData.Schema;

    /// <summary>The program that wrote the file, as it names itself; empty where it does not.</summary>
    public string CreatedBy { get; private set; } = "";

    /// <summary>Whatever the writer wanted to add.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; private set; } = new Dictionary<string, string>();

    /// <summary>Bytes of the largest page of the chunk that was opened last, when it is decompressed.</summary>
    public int LargestPage => _stream.LargestPage;

    /// <summary>Reads and checks a file's footer; the file stays the caller's.</summary>
    /// <param name="file">The file.</param>
    /// <param name="column">The column that is to be read; it need not be there.</param>
    /// <exception cref="InvalidDataException">It is no Parquet file or damaged.</exception>
    public static FencedReader Open(ShardFile file, string column = ShardFooter.IdColumnName)
    {
        var footer = ShardFooter.Read(file, column, out var bytes);
        var stream = new FencedStream(file);
        stream.KeepFooter(footer.Start, bytes.AsMemory(0, footer.Length + 8));
        FencedReader? reader = null;
        try
        {
            reader = new FencedReader(footer, stream);
            var metadata = reader._reader.FileMetaData;
            reader.CreatedBy = metadata.CreatedBy;
            reader.Metadata = metadata.KeyValueMetadata;
            return metadata.NumRowGroups == footer.Chunks.Count || footer.Leaf < 0
                ? reader
                : throw new InvalidDataException($"{metadata.NumRowGroups} row groups, of which {footer.Chunks.Count} were seen.");
        }
        catch (Exception exception) when (IsDamage(exception))
        {
            reader?.Dispose();
            stream.ThrowFailure();
            throw Damage(exception);
        }
        catch
        {
            reader?.Dispose();
            throw;
        }
        finally
        {
            stream.KeepFooter(0, default);
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    /// <summary>What the values of a column mean, beyond their type in the file; to be disposed of.</summary>
    /// <exception cref="InvalidDataException">It is no meaning that the package knows; the message names the file.</exception>
    public static LogicalType MeaningOf(string path, ColumnDescriptor column)
    {
        try
        {
            return column.LogicalType;
        }
        catch (Exception exception) when (IsDamage(exception))
        {
            throw new InvalidDataException($"{path}: column {column.Name}: {TextOf(exception).TrimEnd('.')}. Write or copy the file again.", exception);
        }
    }

    /// <summary>Opens a column of a row group for reading; its pages are read and checked at once.</summary>
    /// <param name="rowGroup">The row group.</param>
    /// <param name="leaf">The leaf.</param>
    /// <param name="chunk">What the footer says of it in this row group.</param>
    /// <param name="checksum">CRC-32C of the chunk where the writer has kept it.</param>
    public Column OpenColumn(int rowGroup, int leaf, in ColumnChunk chunk, uint? checksum)
    {
        _stream.Await(chunk, checksum);
        RowGroupReader? group = null;
        try
        {
            group = _reader.RowGroup(rowGroup);
            var column = new Column(this, group, group.Column(leaf));
            _stream.RequireChecked();
            return column;
        }
        catch (Exception exception) when (IsDamage(exception))
        {
            group?.Dispose();
            _stream.ThrowFailure();
            throw Damage(exception);
        }
        catch
        {
            group?.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _reader.Dispose();
        _file.Dispose();
    }

    // Whatever the package's native part throws is a ParquetException; its managed part refuses what it cannot name.
    private static bool IsDamage(Exception exception) => exception is ParquetException or ArgumentException or NotSupportedException;

    private static InvalidDataException Damage(Exception exception) => new($"{TextOf(exception).TrimEnd('.', '\n')}.", exception);

    // The package puts the name of a C++ class before the text.
    private static string TextOf(Exception exception)
    {
        const string Start = "(message: '";
        const string End = "')";
        var start = exception.Message.IndexOf(Start, StringComparison.Ordinal) + Start.Length;
        return start >= Start.Length && exception.Message.EndsWith(End, StringComparison.Ordinal) ? exception.Message[start..^End.Length] : exception.Message;
    }

    /// <summary>An open column of a row group.</summary>
    internal readonly struct Column(FencedReader owner, RowGroupReader group, ColumnReader column) : IDisposable
    {
        /// <summary>Reads the next slots: as many as there is room for levels, or up to the end of a page.</summary>
        /// <param name="definition">Receives the definition level of each slot.</param>
        /// <param name="repetition">Receives the repetition level of each slot.</param>
        /// <param name="values">Receives the values, which are less than the slots where some are null; room for as many as slots.</param>
        /// <param name="found">Values read.</param>
        /// <returns>Slots read; 0 when no page has any more.</returns>
        public int Read<T>(Span<short> definition, Span<short> repetition, Span<T> values, out int found) where T : unmanaged
        {
            try
            {
                var slots = ((ColumnReader<T>)column).ReadBatch(definition.Length, definition, repetition, values, out var count);
                found = (int)count;
                return (int)slots;
            }
            catch (Exception exception) when (IsDamage(exception))
            {
                owner._stream.ThrowFailure();
                throw Damage(exception);
            }
        }

        public void Dispose()
        {
            column.Dispose();
            group.Dispose();
        }
    }
}
