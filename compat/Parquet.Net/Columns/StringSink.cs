using Parquet.Encodings;
using Parquet.Meta;

namespace Parquet.Columns;

/// <summary>Decodes text into one entry per slot, null where a slot has no value.</summary>
internal sealed class StringSink(Memory<string?> target, int maxDefinitionLevel) : IColumnSink
{
    private readonly StringDecoder _decoder = new();

    public void SetDictionary(NumberDecoders numbers, ReadOnlySpan<byte> page, int count) => _decoder.SetDictionary(page, count);

    public void Append(
        NumberDecoders numbers, Encoding encoding, ReadOnlySpan<byte> page, ReadOnlySpan<int> definitionLevels, PageExtent extent)
    {
        var slots = target.Span.Slice(extent.FirstSlot, extent.SlotCount);
        var next = extent.ValueCount;
        if (next > 0)
        {
            _decoder.Decode(encoding, page, slots[..next]);
        }

        // Spread from the end, so that no value is overwritten before it has moved.
        for (var i = slots.Length - 1; i >= 0 && !definitionLevels.IsEmpty; i--)
        {
            slots[i] = definitionLevels[i] == maxDefinitionLevel ? slots[--next] : null;
        }
    }
}
