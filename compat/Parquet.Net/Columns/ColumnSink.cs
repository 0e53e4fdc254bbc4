using Parquet.Meta;

namespace Parquet.Columns;

/// <summary>Takes the pages of one column chunk in order and keeps their values.</summary>
internal abstract class ColumnSink : IDisposable
{
    public abstract void SetDictionary(ReadOnlySpan<byte> page, int count);

    /// <summary>Decodes the values of one data page.</summary>
    /// <param name="definitionLevels">One level per slot; empty when every slot has a value.</param>
    /// <param name="slotCount">Slots of the page.</param>
    /// <param name="valueCount">Slots of them that have a value.</param>
    public abstract void Append(
        Encoding encoding, ReadOnlySpan<byte> page, ReadOnlySpan<int> definitionLevels, int slotCount, int valueCount);

    public abstract void Dispose();
}
