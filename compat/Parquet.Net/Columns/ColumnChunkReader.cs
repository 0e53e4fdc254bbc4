using System.Buffers.Binary;
using Parquet.Compression;
using Parquet.Encodings;
using Parquet.Meta;
using Parquet.Schema;
using Parquet.Thrift;

namespace Parquet.Columns;

/// <summary>Walks the pages of one column chunk: header, checksum, decompression, levels, then the values into a sink.</summary>
internal sealed class ColumnChunkReader(
    ByteSource source, ColumnLocation location, ColumnMetaData chunk, DataField field, long dataEnd) : IDisposable
{
    // Files begin with four bytes of magic, so no page lies before them.
    private const int FirstPageOffset = 4;

    // Some old writers leave the dictionary page's header out of the chunk's size; parquet-cpp allows them as much.
    private const int ForgottenHeaderBytes = 128;

    private const int UsualHeaderBytes = 1024;
    private const int LargestHeaderBytes = 16 << 20;

    private readonly PageDecompressor _decompressor = new(chunk.Codec);
    private readonly ChunkWindow _window = OpenWindow(source, location, chunk, dataEnd);
    private int _pageIndex;
    private bool _hasDictionary;

    /// <summary>Reads all pages. A level buffer has an entry per slot, or none where the column has no such levels.</summary>
    public async ValueTask ReadAsync(
        ColumnSink sink, Memory<int> definitionLevels, Memory<int> repetitionLevels, CancellationToken cancellationToken)
    {
        var slot = 0;
        var slotCount = checked((int)chunk.NumValues);
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
                    var definitions = Part(definitionLevels, slot, header.ValueCount);
                    DecodePage(header, stored, sink, definitions, Part(repetitionLevels, slot, header.ValueCount));
                    slot += header.ValueCount;
                }

                _window.Consume(header.CompressedPageSize);
            }
            catch (DecodeException e)
            {
                throw location.Error(_pageIndex, offset, e);
            }

            _pageIndex++;
        }
    }

    public void Dispose()
    {
        _window.Dispose();
        _decompressor.Dispose();
    }

    private static ChunkWindow OpenWindow(ByteSource source, ColumnLocation location, ColumnMetaData chunk, long dataEnd)
    {
        if (PageDecompressor.Refusal(chunk.Codec) is { } reason)
        {
            throw location.Error(reason);
        }

        // Some writers leave out where the dictionary is, or write 0; others point the data pages at it.
        var start = chunk.DictionaryPageOffset is > 0 and var dictionary
            ? Math.Min(dictionary, chunk.DataPageOffset)
            : chunk.DataPageOffset;
        if (start < FirstPageOffset || start > dataEnd || chunk.TotalCompressedSize < 0 || chunk.TotalCompressedSize > dataEnd - start)
        {
            throw location.Error(
                $"its {chunk.TotalCompressedSize} bytes from byte {start} on do not lie before the footer at byte {dataEnd}");
        }

        return new ChunkWindow(source, start, Math.Min(dataEnd, start + chunk.TotalCompressedSize + ForgottenHeaderBytes));
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

    private static void RequireCount(int count, int slotsLeft)
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

    private void SetDictionary(PageHeader header, ReadOnlyMemory<byte> stored, ColumnSink sink)
    {
        if (_hasDictionary || _pageIndex > 0)
        {
            throw new DecodeException("a dictionary page that is not the first page of its column chunk");
        }

        if (header.Encoding is not (Encoding.PLAIN or Encoding.PLAIN_DICTIONARY))
        {
            throw new DecodeException($"a dictionary page with encoding {header.Encoding}");
        }

        sink.SetDictionary(_decompressor.Decompress(stored, header.UncompressedPageSize), header.ValueCount);
        _hasDictionary = true;
    }

    private void DecodePage(
        PageHeader header, ReadOnlyMemory<byte> stored, ColumnSink sink, Memory<int> definitionLevels, Memory<int> repetitionLevels)
    {
        ReadOnlySpan<byte> values;
        if (header.Type == PageType.DATA_PAGE)
        {
            values = _decompressor.Decompress(stored, header.UncompressedPageSize);
            DecodePrefixedLevels(ref values, field.MaxRepetitionLevel, repetitionLevels.Span);
            DecodePrefixedLevels(ref values, field.MaxDefinitionLevel, definitionLevels.Span);
        }
        else
        {
            values = DecodeVersion2(header, stored, definitionLevels.Span, repetitionLevels.Span);
        }

        var valueCount = field.MaxDefinitionLevel == 0
            ? header.ValueCount
            : definitionLevels.Span.Count(field.MaxDefinitionLevel);
        sink.Append(header.Encoding, values, definitionLevels.Span, header.ValueCount, valueCount);
    }

    // V1: four bytes with the size of the runs, then the runs; nothing at all for a column without such levels.
    private static void DecodePrefixedLevels(ref ReadOnlySpan<byte> page, int maxLevel, Span<int> levels)
    {
        if (maxLevel == 0)
        {
            return;
        }

        var byteCount = page.Length >= 4 ? BinaryPrimitives.ReadInt32LittleEndian(page) : -1;
        if (byteCount < 0 || byteCount > page.Length - 4)
        {
            throw new DecodeException($"levels of {byteCount} bytes in a page of {page.Length}");
        }

        LevelDecoder.Decode(page.Slice(4, byteCount), maxLevel, levels);
        page = page[(4 + byteCount)..];
    }

    // V2: the levels come first, never compressed and without a prefix; the header has their sizes.
    private ReadOnlySpan<byte> DecodeVersion2(
        PageHeader header, ReadOnlyMemory<byte> stored, Span<int> definitionLevels, Span<int> repetitionLevels)
    {
        var (repetitionBytes, definitionBytes) = (header.RepetitionLevelsByteCount, header.DefinitionLevelsByteCount);
        if (repetitionBytes < 0 || definitionBytes < 0
            || (long)repetitionBytes + definitionBytes > Math.Min(stored.Length, header.UncompressedPageSize))
        {
            throw new DecodeException($"levels of {repetitionBytes} and {definitionBytes} bytes in a page of {stored.Length}");
        }

        var levelBytes = repetitionBytes + definitionBytes;
        if (field.MaxRepetitionLevel > 0)
        {
            LevelDecoder.Decode(stored.Span[..repetitionBytes], field.MaxRepetitionLevel, repetitionLevels);
        }

        if (field.MaxDefinitionLevel > 0)
        {
            LevelDecoder.Decode(stored.Span[repetitionBytes..levelBytes], field.MaxDefinitionLevel, definitionLevels);
        }

        var values = stored[levelBytes..];
        if (!header.IsCompressed || values.IsEmpty)
        {
            return values.Span;
        }

        return _decompressor.Decompress(values, header.UncompressedPageSize - levelBytes);
    }
}
