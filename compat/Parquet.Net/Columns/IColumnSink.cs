using Parquet.Encodings;
using Parquet.Meta;

namespace Parquet.Columns;

/// <summary>Takes the pages of one column chunk in order and keeps their values.</summary>
internal interface IColumnSink
{
    /// <param name="numbers">The reader's decoders, which keep a dictionary of numbers.</param>
    void SetDictionary(NumberDecoders numbers, ReadOnlySpan<byte> page, int count);

    /// <summary>Decodes the values of one data page.</summary>
    /// <param name="definitionLevels">One level per slot; empty when every slot has a value.</param>
    void Append(NumberDecoders numbers, Encoding encoding, ReadOnlySpan<byte> page, ReadOnlySpan<int> definitionLevels, PageExtent extent);
}
