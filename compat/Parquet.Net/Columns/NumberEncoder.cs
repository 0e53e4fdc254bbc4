using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Parquet.Encodings;
using Parquet.Meta;

namespace Parquet.Columns;

/// <summary>Writes 4-byte or 8-byte values; <typeparamref name="TStored"/> has their bits.</summary>
internal sealed class NumberEncoder<TStored> : ValueEncoder
    where TStored : unmanaged, IBinaryInteger<TStored>
{
    private readonly ReadOnlyMemory<TStored> _values;
    private readonly DictionaryIndex<TStored>? _dictionary;

    public NumberEncoder(ReadOnlyMemory<TStored> values, EncodingHint hint, (byte[]? Smallest, byte[]? Largest) bounds)
    {
        _values = values;
        var dictionary = hint == EncodingHint.Dictionary ? DictionaryIndex<TStored>.TryBuild(values.Span) : null;
        _dictionary = dictionary != null && Pays(dictionary, values.Length) ? dictionary : null;
        (Smallest, Largest) = bounds;
        Encoding = hint == EncodingHint.DeltaBinaryPacked ? Encoding.DELTA_BINARY_PACKED
            : _dictionary != null ? Encoding.RLE_DICTIONARY
            : Encoding.PLAIN;
    }

    public override int ValueCount => _values.Length;

    public override Encoding Encoding { get; }

    public override int? DictionaryCount => _dictionary?.Entries.Count;

    // Few values that are all different take more room as entries and indices than as they are.
    private static bool Pays(DictionaryIndex<TStored> dictionary, int valueCount)
    {
        var entryBits = 8L * Unsafe.SizeOf<TStored>();
        return (dictionary.Entries.Count * entryBits) + ((long)valueCount * dictionary.BitWidth) < valueCount * entryBits;
    }

    public override int PageLength(int start) => PageByteTarget / Unsafe.SizeOf<TStored>();

    public override void EncodeDictionary(ArrayBufferWriter<byte> output)
        => output.Write(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(_dictionary!.Entries)));

    public override void Encode(int start, int count, ArrayBufferWriter<byte> output)
    {
        var part = _values.Span.Slice(start, count);
        if (_dictionary != null)
        {
            EncodeIndices(_dictionary, start, count, output);
        }
        else if (Encoding == Encoding.DELTA_BINARY_PACKED)
        {
            DeltaEncoder.Encode(part, output);
        }
        else
        {
            output.Write(MemoryMarshal.AsBytes(part));
        }
    }
}
