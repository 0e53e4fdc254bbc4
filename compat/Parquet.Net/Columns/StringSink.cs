using Parquet.Encodings;
using Parquet.Meta;

namespace Parquet.Columns;

/// <summary>Decodes text into one entry per slot, null where a slot has no value.</summary>
internal sealed class StringSink(Memory<string?> target, int maxDefinitionLevel) : ColumnSink
{
    private readonly StringDecoder _decoder = new();
    private int _slot;

    public override void SetDictionary(ReadOnlySpan<byte> page, int count) => _decoder.SetDictionary(page, count);

    public override void Append(
        Encoding encoding, ReadOnlySpan<byte> page, ReadOnlySpan<int> definitionLevels, int slotCount, int valueCount)
    {
        var slots = target.Span.Slice(_slot, slotCount);
        if (valueCount > 0)
        {
            _decoder.Decode(encoding, page, slots[..valueCount]);
        }

        // Spread from the end, so that no value is overwritten before it has moved.
        var next = valueCount;
        for (var i = slots.Length - 1; i >= 0 && !definitionLevels.IsEmpty; i--)
        {
            slots[i] = definitionLevels[i] == maxDefinitionLevel ? slots[--next] : null;
        }

        _slot += slotCount;
    }

    public override void Dispose()
    {
    }
}
