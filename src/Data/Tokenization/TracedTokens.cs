using System.Text;
using KvShiftScale.Data.Tokenization.Merging;
using Microsoft.ML.Tokenizers;

namespace KvShiftScale.Data.Tokenization;

/// <summary>Where the tokens of an encoding stand, from the texts that were merged and the bytes that each id covers.</summary>
internal static class TracedTokens
{
    /// <param name="state">Has encoded <paramref name="text"/> with a trace.</param>
    /// <param name="text">The text as it was given.</param>
    /// <param name="vocabulary">Knows the bytes of the ids.</param>
    /// <param name="maxTokenCount">At most so many tokens, and none that ends inside a character at the end of them.</param>
    public static EncodeResults<EncodedToken> Of(EncodingState state, ReadOnlySpan<char> text, TokenTable vocabulary, int maxTokenCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxTokenCount);
        var trace = state.Trace!;
        var tokens = new List<EncodedToken>(Math.Min(state.Count, maxTokenCount));
        var (consumed, whole, offset) = (0, 0, 0);
        for (var segment = 0; segment < trace.Count && tokens.Count < maxTokenCount; segment++)
        {
            var (segmentText, first) = trace[segment];
            var end = segment + 1 < trace.Count ? trace[segment + 1].FirstId : state.Count;
            var cursor = new CharacterCursor(segmentText);
            for (var i = first; i < end && tokens.Count < maxTokenCount; i++)
            {
                var id = state.Result[i];
                // An added token covers its segment whole: white space beside it may belong to it.
                var coversAll = end - first == 1;
                var (from, to) = coversAll ? (0, segmentText.Length) : cursor.Advance(vocabulary.CoveredBytes(id));
                tokens.Add(new EncodedToken(id, vocabulary.Name(id), (offset + from)..(offset + to)));
                if (coversAll || cursor.AtCharacterEnd)
                {
                    (whole, consumed) = (tokens.Count, offset + to);
                }
            }

            offset += segmentText.Length;
        }

        tokens.RemoveRange(whole, tokens.Count - whole);
        var normalized = string.Concat(trace.Select(entry => entry.Text));
        return new EncodeResults<EncodedToken>
        {
            Tokens = tokens,
            NormalizedText = text.SequenceEqual(normalized) ? null : normalized,
            CharsConsumed = consumed,
        };
    }

    /// <summary>Walks a UTF-16 text by lengths that count bytes of its UTF-8 form.</summary>
    private ref struct CharacterCursor(ReadOnlySpan<char> text)
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
}
