using System.Buffers.Binary;
using Parquet.Compression;
using Parquet.Encodings;
using Parquet.Meta;
using Parquet.Thrift;

namespace Parquet.Columns;

/// <summary>
/// Walks the pages of one column chunk: header, checksum, decompression, levels, then the values into a sink. Readers and all their
/// buffers are used again for other chunks, so that reading the next one allocates nothing.
/// </summary>
internal sealed class ColumnChunkReader
{
    // Files begin with four bytes of magic, so no page lies before them.
    private const int FirstPageOffset = 4;

    // Some old writers leave the dictionary page's header out of the chunk's size; parquet-cpp allows them as much.
    private const int ForgottenHeaderBytes = 128;

    private const int UsualHeaderBytes = 1024;
    private const int LargestHeaderBytes = 16 << 20;

    // More readers at work than this, and some will not be kept.
    private const int LargestIdleCount = 16;

    private static readonly ColumnChunkReader?[] _idle = new ColumnChunkReader?[LargestIdleCount];

    private readonly PageDecompressor _decompressor = new();
    private readonly ChunkWindow _window = new();
    private readonly NumberDecoders _numbers = new();
    private ColumnLocation _location;
    private ColumnMetaData _chunk = new();
    private int _maxDefinitionLevel;
    private int _maxRepetitionLevel;
    private int _pageIndex;
    private bool _hasDictionary;

    /// <summary>Takes an idle reader, or makes one; to be given back with <see cref="Return"/>.</summary>
    public static ColumnChunkReader Rent()
    {
        for (var i = 0; i < _idle.Length; i++)
        {
            if (Interlocked.Exchange(ref _idle[i], null) is { } reader)
            {
                return reader;
            }
        }

        return new ColumnChunkReader();
    }

    public void Return()
    {
        _window.Close();
        for (var i = 0; i < _idle.Length; i++)
        {
            if (Interlocked.CompareExchange(ref _idle[i], this, null) == null)
            {
                return;
            }
        }

        _decompressor.Dispose();
    }

    /// <summary>Turns to a chunk.</summary>
    /// <param name="dataEnd">Byte at which the footer begins; all pages lie before it.</param>
    public void Open(ByteSource source, ColumnLocation location, ColumnMetaData chunk, long dataEnd)
    {
        _location = location;
        _chunk = chunk;
        _maxDefinitionLevel = location.Column.MaxDefinitionLevel;
        _maxRepetitionLevel = location.Column.MaxRepetitionLevel;
        _pageIndex = 0;
        _hasDictionary = false;
        _numbers.Reset();
        OpenWindow(source, dataEnd);
    }

    /// <summary>Reads all pages. A level buffer has an entry per slot, or none where the column has no such levels.</summary>
    public async ValueTask ReadAsync<TSink>(
        TSink sink, Memory<int> definitionLevels, Memory<int> repetitionLevels, CancellationToken cancellationToken)
        where TSink : IColumnSink
    {
        var (slot, value) = (0, 0);
        var slotCount = checked((int)_chunk.NumValues);
        while (slot < slotCount)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var offset = _window.Offset;
            try
            {
                var header = await ReadHeaderAsync(cancellationToken).ConfigureAwait(false);
                await _window.EnsureAsync(header.CompressedPageSize, cancellationToken).ConfigureAwait(false);
                var stored = _window.Available[..header.CompressedPageSize];
                VerifyChecksum(header, stored.Span);
                if (header.Type == PageType.DICTIONARY_PAGE)
                {
                    SetDictionary(header, stored, sink);
                }
                else if (header.Type is PageType.DATA_PAGE or PageType.DATA_PAGE_V2)
                {
                    RequireCount(header.ValueCount, slotCount - slot);
                    var definitions = Part(definitionLevels, slot, header.ValueCount).Span;
                    var repetitions = Part(repetitionLevels, slot, header.ValueCount).Span;
                    var page = DecodeLevels(header, stored, definitions, repetitions);
                    var valueCount = _maxDefinitionLevel == 0 ? header.ValueCount : definitions.Count(_maxDefinitionLevel);
                    sink.Append(
                        _numbers, header.Encoding, page, definitions, new PageExtent(slot, header.ValueCount, value, valueCount));
                    slot += header.ValueCount;
                    value += valueCount;
                }

                _window.Consume(header.CompressedPageSize);
            }
            catch (DecodeException e)
            {
                throw _location.Error(_pageIndex, offset, e);
            }

            _pageIndex++;
        }
    }

    /// <summary>
    /// Walks the pages and counts their levels, run by run: what the footer says about the number of slots is then true, and memory
    /// may be set aside for them.
    /// </summary>
    public async ValueTask RequireSlotsAsync(CancellationToken cancellationToken)
    {
        for (var slot = 0L; slot < _chunk.NumValues; _pageIndex++)
        {
            var offset = _window.Offset;
            try
            {
                var header = await ReadHeaderAsync(cancellationToken).ConfigureAwait(false);
                if (header.Type is PageType.DATA_PAGE or PageType.DATA_PAGE_V2)
                {
                    RequireCount(header.ValueCount, _chunk.NumValues - slot);
                    await _window.EnsureAsync(header.CompressedPageSize, cancellationToken).ConfigureAwait(false);
                    RequireLevels(header, _window.Available[..header.CompressedPageSize]);
                    slot += header.ValueCount;
                }

                _window.Skip(header.CompressedPageSize);
            }
            catch (DecodeException e)
            {
                throw _location.Error(_pageIndex, offset, e);
            }
        }
    }

    private void OpenWindow(ByteSource source, long dataEnd)
    {
        if (PageDecompressor.Refusal(_chunk.Codec) is { } reason)
        {
            throw _location.Error(reason);
        }

        // Some writers leave out where the dictionary is, or write 0; others point the data pages at it.
        var start = _chunk.DictionaryPageOffset is > 0 and var dictionary
            ? Math.Min(dictionary, _chunk.DataPageOffset)
            : _chunk.DataPageOffset;
        if (start < FirstPageOffset || start > dataEnd || _chunk.TotalCompressedSize < 0 || _chunk.TotalCompressedSize > dataEnd - start)
        {
            throw _location.Error(
                $"its {_chunk.TotalCompressedSize} bytes from byte {start} on do not lie before the footer at byte {dataEnd}");
        }

        _window.Open(source, start, Math.Min(dataEnd, start + _chunk.TotalCompressedSize + ForgottenHeaderBytes));
    }

    private async ValueTask<PageHeader> ReadHeaderAsync(CancellationToken cancellationToken)
    {
        for (var atHand = UsualHeaderBytes; ; atHand *= 8)
        {
            var byteCount = (int)Math.Min(_window.Remaining, atHand);
            await _window.EnsureAsync(byteCount, cancellationToken).ConfigureAwait(false);
            try
            {
                var header = PageHeaderReader.Read(_window.Available.Span, out var headerBytes);
                _window.Consume(headerBytes);
                RequireSizes(header);
                return header;
            }
            catch (DecodeException e) when (e.NeedsMoreData && byteCount < _window.Remaining && atHand < LargestHeaderBytes)
            {
                // Statistics made the header longer than usual.
            }
        }
    }

    private void RequireSizes(PageHeader header)
    {
        if (header.CompressedPageSize < 0 || header.CompressedPageSize > _window.Remaining)
        {
            throw new DecodeException($"a page of {header.CompressedPageSize} bytes where the column chunk has {_window.Remaining} left");
        }

        if (header.UncompressedPageSize < 0)
        {
            throw new DecodeException($"an uncompressed size of {header.UncompressedPageSize} bytes");
        }

        if (!Enum.IsDefined(header.Type))
        {
            throw new DecodeException($"unknown page type {(int)header.Type}");
        }
    }

    private void RequireLevels(PageHeader header, ReadOnlyMemory<byte> stored)
    {
        var parts = Split(header, stored, needsValues: false);
        if (_maxRepetitionLevel > 0)
        {
            LevelDecoder.RequireCount(parts.Repetitions, _maxRepetitionLevel, header.ValueCount);
        }

        if (_maxDefinitionLevel > 0)
        {
            LevelDecoder.RequireCount(parts.Definitions, _maxDefinitionLevel, header.ValueCount);
        }
    }

    private static void RequireCount(int count, long slotsLeft)
    {
        if (count < 0 || count > slotsLeft)
        {
            throw new DecodeException($"a page of {count} slots where the column chunk has {slotsLeft} left");
        }
    }

    private static void VerifyChecksum(PageHeader header, ReadOnlySpan<byte> stored)
    {
        if (header.Crc is { } expected && Crc32.Compute(stored) is var found && found != (uint)expected)
        {
            throw new DecodeException($"checksum {found:x8} where the header says {(uint)expected:x8}; the page is damaged");
        }
    }

    private static Memory<int> Part(Memory<int> levels, int slot, int count) => levels.IsEmpty ? levels : levels.Slice(slot, count);

    private void SetDictionary<TSink>(PageHeader header, ReadOnlyMemory<byte> stored, TSink sink)
        where TSink : IColumnSink
    {
        if (_hasDictionary || _pageIndex > 0)
        {
            throw new DecodeException("a dictionary page that is not the first page of its column chunk");
        }

        if (header.Encoding is not (Encoding.PLAIN or Encoding.PLAIN_DICTIONARY))
        {
            throw new DecodeException($"a dictionary page with encoding {header.Encoding}");
        }

        sink.SetDictionary(_numbers, Decompress(stored, header.UncompressedPageSize), header.ValueCount);
        _hasDictionary = true;
    }

    private ReadOnlySpan<byte> Decompress(ReadOnlyMemory<byte> stored, int size) => _decompressor.Decompress(_chunk.Codec, stored, size);

    /// <returns>What follows the levels: the values.</returns>
    private ReadOnlySpan<byte> DecodeLevels(
        PageHeader header, ReadOnlyMemory<byte> stored, Span<int> definitionLevels, Span<int> repetitionLevels)
    {
        var parts = Split(header, stored, needsValues: true);
        if (_maxRepetitionLevel > 0)
        {
            LevelDecoder.Decode(parts.Repetitions, _maxRepetitionLevel, repetitionLevels);
        }

        if (_maxDefinitionLevel > 0)
        {
            LevelDecoder.Decode(parts.Definitions, _maxDefinitionLevel, definitionLevels);
        }

        return parts.Values;
    }

    // V1: four bytes with the size of the runs, then the runs; nothing at all for a column without such levels.
    private static ReadOnlySpan<byte> TakePrefixedLevels(scoped ref ReadOnlySpan<byte> page)
    {
        var byteCount = page.Length >= 4 ? BinaryPrimitives.ReadInt32LittleEndian(page) : -1;
        if (byteCount < 0 || byteCount > page.Length - 4)
        {
            throw new DecodeException($"levels of {byteCount} bytes in a page of {page.Length}");
        }

        var levels = page.Slice(4, byteCount);
        page = page[(4 + byteCount)..];
        return levels;
    }

    private static void RequireLevelSizes(PageHeader header, int storedSize)
    {
        var (repetitionBytes, definitionBytes) = (header.RepetitionLevelsByteCount, header.DefinitionLevelsByteCount);
        if (repetitionBytes < 0 || definitionBytes < 0
            || (long)repetitionBytes + definitionBytes > Math.Min(storedSize, header.UncompressedPageSize))
        {
            throw new DecodeException($"levels of {repetitionBytes} and {definitionBytes} bytes in a page of {storedSize}");
        }
    }

    // The levels of a page as they are stored; an empty span for a kind that the column does not have.
    private PageParts Split(PageHeader header, ReadOnlyMemory<byte> stored, bool needsValues)
    {
        if (header.Type == PageType.DATA_PAGE)
        {
            var page = Decompress(stored, header.UncompressedPageSize);
            var prefixedRepetitions = _maxRepetitionLevel > 0 ? TakePrefixedLevels(ref page) : default;
            var prefixedDefinitions = _maxDefinitionLevel > 0 ? TakePrefixedLevels(ref page) : default;
            return new PageParts { Repetitions = prefixedRepetitions, Definitions = prefixedDefinitions, Values = page };
        }

        // V2: the levels come first, never compressed and without a prefix; the header has their sizes.
        RequireLevelSizes(header, stored.Length);
        var levelBytes = header.RepetitionLevelsByteCount + header.DefinitionLevelsByteCount;
        var values = stored[levelBytes..];
        return new PageParts
        {
            Repetitions = stored.Span[..header.RepetitionLevelsByteCount],
            Definitions = stored.Span[header.RepetitionLevelsByteCount..levelBytes],
            Values = !needsValues || !header.IsCompressed || values.IsEmpty
                ? values.Span
                : Decompress(values, header.UncompressedPageSize - levelBytes),
        };
    }

    private ref struct PageParts
    {
        public ReadOnlySpan<byte> Repetitions { get; init; }

        public ReadOnlySpan<byte> Definitions { get; init; }

        public ReadOnlySpan<byte> Values { get; init; }
    }
}
