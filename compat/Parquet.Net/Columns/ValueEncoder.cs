using System.Buffers;
using Parquet.Encodings;
using Parquet.Meta;

namespace Parquet.Columns;

/// <summary>The values of one column chunk, those of slots without a value left out, ready to be written page by page.</summary>
internal abstract class ValueEncoder
{
    /// <summary>Size of a data page before compression that is aimed at.</summary>
    protected const int PageByteTarget = 1 << 20;

    public abstract int ValueCount { get; }

    public abstract Encoding Encoding { get; }

    /// <summary>Entries of the dictionary page; null when there is none.</summary>
    public abstract int? DictionaryCount { get; }

    public byte[]? Smallest { get; protected init; }

    public byte[]? Largest { get; protected init; }

    /// <summary>How many values from <paramref name="start"/> on make a page; at least 1.</summary>
    public abstract int PageLength(int start);

    public abstract void EncodeDictionary(ArrayBufferWriter<byte> output);

    public abstract void Encode(int start, int count, ArrayBufferWriter<byte> output);

    private protected static void EncodeIndices<T>(DictionaryIndex<T> dictionary, int start, int count, ArrayBufferWriter<byte> output)
        where T : notnull
    {
        Varint.WriteByte((byte)dictionary.BitWidth, output);
        HybridEncoder.Encode(dictionary.Indices(start, count), dictionary.BitWidth, output);
    }
}
