using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Parquet.Encodings;
using PageEncoding = Parquet.Meta.Encoding;

namespace Parquet.Columns;

/// <summary>Writes text as UTF-8 with a length of four bytes before each string.</summary>
internal sealed class StringEncoder : ValueEncoder
{
    // Slots of a page that holds little or no text.
    private const int LargestPageLength = 128 * 1024;

    private static readonly UTF8Encoding _strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly string[] _values;
    private readonly DictionaryIndex<string>? _dictionary;

    public StringEncoder(string[] values, EncodingHint hint)
    {
        _values = values;
        _dictionary = hint == EncodingHint.Dictionary ? DictionaryIndex<string>.TryBuild(values) : null;
    }

    public override int ValueCount => _values.Length;

    public override PageEncoding Encoding => _dictionary != null ? PageEncoding.RLE_DICTIONARY : PageEncoding.PLAIN;

    public override int? DictionaryCount => _dictionary?.Entries.Count;

    public override int PageLength(int start)
    {
        var count = 0;
        for (long byteCount = 0; count < LargestPageLength && start + count < _values.Length && byteCount < PageByteTarget; count++)
        {
            byteCount += 4 + _values[start + count].Length;
        }

        return start + count < _values.Length ? Math.Max(1, count) : LargestPageLength;
    }

    public override void EncodeDictionary(ArrayBufferWriter<byte> output)
    {
        foreach (var entry in _dictionary!.Entries)
        {
            WriteText(entry, output);
        }
    }

    public override void Encode(int start, int count, ArrayBufferWriter<byte> output)
    {
        if (_dictionary != null)
        {
            EncodeIndices(_dictionary, start, count, output);
            return;
        }

        foreach (var value in _values.AsSpan(start, count))
        {
            WriteText(value, output);
        }
    }

    private static void WriteText(string value, ArrayBufferWriter<byte> output)
    {
        var byteCount = _strict.GetByteCount(value);
        var target = output.GetSpan(4 + byteCount);
        BinaryPrimitives.WriteInt32LittleEndian(target, byteCount);
        _strict.GetBytes(value, target[4..]);
        output.Advance(4 + byteCount);
    }
}
