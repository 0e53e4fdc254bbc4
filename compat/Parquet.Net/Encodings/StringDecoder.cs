using System.Buffers.Binary;
using System.Text;
using PageEncoding = Parquet.Meta.Encoding;

namespace Parquet.Encodings;

/// <summary>Decodes pages of UTF-8 text; keeps the chunk's dictionary, whose strings are shared by all rows that use them.</summary>
internal sealed class StringDecoder
{
    private static readonly UTF8Encoding _strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    // Shared prefixes let a small page stand for any amount of text; no real page comes near this.
    private const long LargestPrefixedPage = 256L << 20;

    private string?[]? _dictionary;

    public void SetDictionary(ReadOnlySpan<byte> page, int count)
    {
        // Every entry has a length of four bytes.
        if (count < 0 || count > page.Length / 4)
        {
            throw new DecodeException($"a dictionary of {count} strings in {page.Length} bytes");
        }

        _dictionary = new string?[count];
        DecodePlain(page, _dictionary);
    }

    public void Decode(PageEncoding encoding, ReadOnlySpan<byte> page, Span<string?> target)
    {
        switch (encoding)
        {
            case PageEncoding.PLAIN:
                DecodePlain(page, target);
                break;
            case PageEncoding.RLE_DICTIONARY or PageEncoding.PLAIN_DICTIONARY:
                if (_dictionary == null)
                {
                    throw new DecodeException("dictionary indices without a dictionary page before them");
                }

                DictionaryDecoder.Decode<string?>(page, _dictionary, target);
                break;
            case PageEncoding.DELTA_LENGTH_BYTE_ARRAY:
                DecodeDeltaLength(page, target);
                break;
            case PageEncoding.DELTA_BYTE_ARRAY:
                DecodeDeltaPrefix(page, target);
                break;
            default:
                throw new DecodeException($"encoding {encoding} is not supported for strings");
        }
    }

    private static void DecodePlain(ReadOnlySpan<byte> page, Span<string?> target)
    {
        foreach (ref var slot in target)
        {
            if (page.Length < 4)
            {
                throw new DecodeException("the strings end too early");
            }

            var length = BinaryPrimitives.ReadInt32LittleEndian(page);
            page = page[4..];
            slot = Text(Take(ref page, length));
        }
    }

    private static void DecodeDeltaLength(ReadOnlySpan<byte> page, Span<string?> target)
    {
        var lengths = new int[target.Length];
        page = page[DeltaDecoder.Decode<int>(page, lengths)..];
        for (var i = 0; i < target.Length; i++)
        {
            target[i] = Text(Take(ref page, lengths[i]));
        }
    }

    // Lengths of the prefixes shared with the string before, then the suffixes as DELTA_LENGTH_BYTE_ARRAY.
    private static void DecodeDeltaPrefix(ReadOnlySpan<byte> page, Span<string?> target)
    {
        var prefixes = new int[target.Length];
        var suffixes = new int[target.Length];
        page = page[DeltaDecoder.Decode<int>(page, prefixes)..];
        page = page[DeltaDecoder.Decode<int>(page, suffixes)..];
        byte[] current = [];
        var length = 0;
        var total = 0L;
        for (var i = 0; i < target.Length; i++)
        {
            if (prefixes[i] < 0 || prefixes[i] > length)
            {
                throw new DecodeException($"a prefix of {prefixes[i]} bytes of a string of {length}");
            }

            var suffix = Take(ref page, suffixes[i]);
            length = prefixes[i] + suffix.Length;
            total += length;
            if (total > LargestPrefixedPage)
            {
                throw new DecodeException($"more than {LargestPrefixedPage} bytes of text in one page");
            }

            if (length > current.Length)
            {
                Array.Resize(ref current, Math.Max(length, 2 * current.Length));
            }

            suffix.CopyTo(current.AsSpan(prefixes[i]));
            target[i] = Text(current.AsSpan(0, length));
        }
    }

    private static ReadOnlySpan<byte> Take(ref ReadOnlySpan<byte> page, int length)
    {
        if (length < 0 || length > page.Length)
        {
            throw new DecodeException($"a string of {length} bytes with {page.Length} left");
        }

        var bytes = page[..length];
        page = page[length..];
        return bytes;
    }

    private static string Text(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return _strict.GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw new DecodeException($"a string that is not UTF-8: {e.Message}", e);
        }
    }
}
