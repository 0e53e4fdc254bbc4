using System.Buffers;
using System.Buffers.Binary;
using Parquet.Compression;
using Parquet.Encodings;
using Parquet.Meta;
using Parquet.Schema;
using Parquet.Thrift;

namespace Parquet.Columns;

/// <summary>Writes column chunks: a dictionary page where there is a dictionary, then data pages (V1) that end at row boundaries.</summary>
internal sealed class ColumnChunkWriter(ByteTarget target, PageCompressor compressor, CompressionMethod method)
{
    private readonly ArrayBufferWriter<byte> _header = new();
    private readonly ArrayBufferWriter<byte> _page = new();
    private readonly ArrayBufferWriter<byte> _levels = new();

    /// <param name="definitionLevels">One per slot; empty where the column has none.</param>
    /// <param name="repetitionLevels">One per slot; empty where the column has none.</param>
    public async Task<ColumnChunk> WriteAsync(
        DataField field,
        ValueEncoder values,
        ReadOnlyMemory<int> definitionLevels,
        ReadOnlyMemory<int> repetitionLevels,
        Dictionary<string, string>? customMetadata,
        CancellationToken cancellationToken)
    {
        var slotCount = field.MaxDefinitionLevel > 0 ? definitionLevels.Length : values.ValueCount;
        var start = target.Position;
        var chunk = new ColumnMetaData
        {
            Type = field.Stored.Physical,
            Encodings = values.DictionaryCount != null ? [Encoding.PLAIN, Encoding.RLE, values.Encoding] : [Encoding.RLE, values.Encoding],
            PathInSchema = field.Path.ToList(),
            Codec = (CompressionCodec)method,
            NumValues = slotCount,
            KeyValueMetadata = customMetadata?.Select(entry => new KeyValue { Key = entry.Key, Value = entry.Value }).ToList(),
            Statistics = new Statistics
            {
                NullCount = slotCount - values.ValueCount,
                MinValue = values.Smallest,
                MaxValue = values.Largest,
            },
        };

        if (values.DictionaryCount is { } entryCount)
        {
            chunk.DictionaryPageOffset = start;
            _page.ResetWrittenCount();
            values.EncodeDictionary(_page);
            await WritePageAsync(PageType.DICTIONARY_PAGE, Encoding.PLAIN, entryCount, chunk, cancellationToken).ConfigureAwait(false);
        }

        chunk.DataPageOffset = target.Position;
        var value = 0;
        for (var slot = 0; slot < slotCount;)
        {
            var slots = PageEnd(slot, slotCount, values.PageLength(value), repetitionLevels.Span) - slot;
            value += EncodePage(
                field, values, value, slots, Part(definitionLevels, slot, slots).Span, Part(repetitionLevels, slot, slots).Span);
            await WritePageAsync(PageType.DATA_PAGE, values.Encoding, slots, chunk, cancellationToken).ConfigureAwait(false);
            slot += slots;
        }

        chunk.TotalCompressedSize = target.Position - start;
        return new ColumnChunk { FileOffset = start, MetaData = chunk };
    }

    private static ReadOnlyMemory<int> Part(ReadOnlyMemory<int> levels, int slot, int count)
        => levels.IsEmpty ? levels : levels.Slice(slot, count);

    // The first row boundary at or after the length aimed at.
    private static int PageEnd(int slot, int slotCount, int length, ReadOnlySpan<int> repetitionLevels)
    {
        if (length >= slotCount - slot)
        {
            return slotCount;
        }

        var end = slot + length;
        if (repetitionLevels.IsEmpty)
        {
            return end;
        }

        var toNextRow = repetitionLevels[end..].IndexOf(0);
        return toNextRow < 0 ? slotCount : end + toNextRow;
    }

    /// <returns>How many values the page has.</returns>
    private int EncodePage(
        DataField field,
        ValueEncoder values,
        int firstValue,
        int slots,
        ReadOnlySpan<int> definitionLevels,
        ReadOnlySpan<int> repetitionLevels)
    {
        _page.ResetWrittenCount();
        EncodeLevels(repetitionLevels, field.MaxRepetitionLevel);
        EncodeLevels(definitionLevels, field.MaxDefinitionLevel);
        var count = field.MaxDefinitionLevel > 0 ? definitionLevels.Count(field.MaxDefinitionLevel) : slots;
        values.Encode(firstValue, count, _page);
        return count;
    }

    private void EncodeLevels(ReadOnlySpan<int> levels, int maxLevel)
    {
        if (maxLevel == 0)
        {
            return;
        }

        _levels.ResetWrittenCount();
        HybridEncoder.Encode(levels, LevelDecoder.BitWidth(maxLevel), _levels);
        BinaryPrimitives.WriteInt32LittleEndian(_page.GetSpan(4), _levels.WrittenCount);
        _page.Advance(4);
        _page.Write(_levels.WrittenSpan);
    }

    private async Task WritePageAsync(
        PageType type, Encoding encoding, int count, ColumnMetaData chunk, CancellationToken cancellationToken)
    {
        var stored = compressor.Compress(_page.WrittenMemory);
        var header = new PageHeader
        {
            Type = type,
            UncompressedPageSize = _page.WrittenCount,
            CompressedPageSize = stored.Length,
            Crc = (int)Crc32.Compute(stored.Span),
            ValueCount = count,
            Encoding = encoding,
        };
        _header.ResetWrittenCount();
        if (type == PageType.DICTIONARY_PAGE)
        {
            MetadataWriter.WriteDictionaryPageHeader(header, _header);
        }
        else
        {
            MetadataWriter.WriteDataPageHeader(header, _header);
        }

        chunk.TotalUncompressedSize += _header.WrittenCount + _page.WrittenCount;
        await target.WriteAsync(_header.WrittenMemory, cancellationToken).ConfigureAwait(false);
        await target.WriteAsync(stored, cancellationToken).ConfigureAwait(false);
    }
}
