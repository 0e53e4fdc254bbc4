using System.Buffers;
using Parquet.Encodings;
using Parquet.Meta;

namespace Parquet.Columns;

/// <summary>Decodes numbers into one entry per slot, null where a slot has no value.</summary>
internal readonly struct NullableNumberSink<T>(Memory<T?> target, int maxDefinitionLevel) : IColumnSink
    where T : struct
{
    public void SetDictionary(NumberDecoders numbers, ReadOnlySpan<byte> page, int count)
        => default(NumberSink<T>).SetDictionary(numbers, page, count);

    public void Append(
        NumberDecoders numbers, Encoding encoding, ReadOnlySpan<byte> page, ReadOnlySpan<int> definitionLevels, PageExtent extent)
    {
        var values = ArrayPool<T>.Shared.Rent(extent.ValueCount);
        try
        {
            new NumberSink<T>(values).Append(numbers, encoding, page, definitionLevels, extent with { FirstValue = 0 });
            var slots = target.Span.Slice(extent.FirstSlot, extent.SlotCount);
            var value = 0;
            for (var i = 0; i < slots.Length; i++)
            {
                slots[i] = definitionLevels.IsEmpty || definitionLevels[i] == maxDefinitionLevel ? values[value++] : null;
            }
        }
        finally
        {
            ArrayPool<T>.Shared.Return(values);
        }
    }
}
