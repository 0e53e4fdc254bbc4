using System.Buffers;
using Parquet.Meta;

namespace Parquet.Columns;

/// <summary>Decodes numbers into one entry per slot, null where a slot has no value.</summary>
internal sealed class NullableNumberSink<T> : ColumnSink
    where T : struct
{
    private readonly Memory<T?> _target;
    private readonly int _maxDefinitionLevel;
    private readonly T[] _values;
    private readonly NumberSink<T> _dense;
    private int _slot;
    private int _value;

    public NullableNumberSink(Memory<T?> target, int maxDefinitionLevel)
    {
        _target = target;
        _maxDefinitionLevel = maxDefinitionLevel;
        _values = ArrayPool<T>.Shared.Rent(target.Length);
        _dense = new NumberSink<T>(_values.AsMemory(0, target.Length));
    }

    public override void SetDictionary(ReadOnlySpan<byte> page, int count) => _dense.SetDictionary(page, count);

    public override void Append(
        Encoding encoding, ReadOnlySpan<byte> page, ReadOnlySpan<int> definitionLevels, int slotCount, int valueCount)
    {
        _dense.Append(encoding, page, definitionLevels, slotCount, valueCount);
        var slots = _target.Span.Slice(_slot, slotCount);
        for (var i = 0; i < slots.Length; i++)
        {
            slots[i] = definitionLevels.IsEmpty || definitionLevels[i] == _maxDefinitionLevel ? _values[_value++] : null;
        }

        _slot += slotCount;
    }

    public override void Dispose()
    {
        _dense.Dispose();
        ArrayPool<T>.Shared.Return(_values);
    }
}
