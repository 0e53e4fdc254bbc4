using System.Numerics;
using System.Runtime.InteropServices;
using Parquet.Meta;

namespace Parquet.Encodings;

/// <summary>Decodes pages of 4-byte or 8-byte values, as their bits; keeps the chunk's dictionary.</summary>
internal sealed class FixedWidthDecoder<T>
    where T : unmanaged, IBinaryInteger<T>
{
    private T[] _dictionary = [];
    private int _dictionaryLength = -1;

    public void SetDictionary(ReadOnlySpan<byte> page, int count)
    {
        RequireBytes(page, count);
        if (_dictionary.Length < count)
        {
            _dictionary = GC.AllocateUninitializedArray<T>(count);
        }

        _dictionaryLength = count;
        CopyPlain(page, _dictionary.AsSpan(0, count));
    }

    public void Decode(Encoding encoding, ReadOnlySpan<byte> page, Span<T> target)
    {
        switch (encoding)
        {
            case Encoding.PLAIN:
                RequireBytes(page, target.Length);
                CopyPlain(page, target);
                break;
            case Encoding.RLE_DICTIONARY or Encoding.PLAIN_DICTIONARY:
                if (_dictionaryLength < 0)
                {
                    throw new DecodeException("dictionary indices without a dictionary page before them");
                }

                DictionaryDecoder.Decode<T>(page, _dictionary.AsSpan(0, _dictionaryLength), target);
                break;
            case Encoding.DELTA_BINARY_PACKED:
                DeltaDecoder.Decode(page, target);
                break;
            case Encoding.BYTE_STREAM_SPLIT:
                RequireBytes(page, target.Length);
                Unsplit(page, target);
                break;
            default:
                throw new DecodeException($"encoding {encoding} is not supported for numbers");
        }
    }

    /// <summary>Forgets the dictionary; its memory stays for the next one.</summary>
    public void Reset() => _dictionaryLength = -1;

    // Both the format and every machine that .NET 10 runs on are little-endian here.
    private static unsafe void CopyPlain(ReadOnlySpan<byte> page, Span<T> target)
        => page[..(target.Length * sizeof(T))].CopyTo(MemoryMarshal.AsBytes(target));

    // Byte k of value i lies at k * count + i.
    private static unsafe void Unsplit(ReadOnlySpan<byte> page, Span<T> target)
    {
        var bytes = MemoryMarshal.AsBytes(target);
        for (var k = 0; k < sizeof(T); k++)
        {
            var stream = page.Slice(k * target.Length, target.Length);
            for (var i = 0; i < stream.Length; i++)
            {
                bytes[(i * sizeof(T)) + k] = stream[i];
            }
        }
    }

    private static unsafe void RequireBytes(ReadOnlySpan<byte> page, int count)
    {
        if (count < 0 || (long)count * sizeof(T) > page.Length)
        {
            throw new DecodeException($"{count} values of {sizeof(T)} bytes announced in {page.Length} bytes");
        }
    }
}
