using System.Text;

namespace Microsoft.ML.Tokenizers;

/// <summary>Walks a UTF-16 text by lengths that count bytes of its UTF-8 form.</summary>
internal ref struct CharacterCursor(ReadOnlySpan<char> text)
{
    private readonly ReadOnlySpan<char> _text = text;
    private int _start;
    private int _end;
    private int _bytesLeft;

    /// <summary>True when the bytes walked so far end with a whole character.</summary>
    public readonly bool AtCharacterEnd => _bytesLeft == 0;

    /// <summary>The UTF-16 range of the characters that the next bytes belong to, wholly or in part.</summary>
    public (int Start, int End) Advance(int byteCount)
    {
        var start = _bytesLeft > 0 ? _start : _end;
        while (byteCount > _bytesLeft)
        {
            byteCount -= _bytesLeft;
            _start = _end;
            // An unpaired surrogate decodes as U+FFFD, one unit long: what the encoder writes for it.
            Rune.DecodeFromUtf16(_text[_start..], out var rune, out var length);
            _end = _start + length;
            _bytesLeft = rune.Utf8SequenceLength;
        }

        _bytesLeft -= byteCount;
        return (start, _end);
    }
}
