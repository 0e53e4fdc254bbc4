using System.Buffers;
using System.Text;

namespace Microsoft.ML.Tokenizers;

/// <summary>
/// Byte-level byte-pair encoding. Safe to use from any number of threads at once: everything but the cache of pieces is read-only, and
/// the cache takes no lock.
/// </summary>
/// <remarks>
/// An unpaired surrogate is encoded as U+FFFD. A vocabulary without a token for each of the 256 bytes is refused, so no text is lost.
/// </remarks>
public sealed class BpeTokenizer : Tokenizer
{
    private readonly Dictionary<string, int> _vocabulary;
    private readonly Dictionary<string, int>? _specialTokens;
    private readonly int _longestSpecialToken;
    private readonly Dictionary<int, (string Token, byte[] Bytes, bool IsSpecial)> _tokens = [];
    private readonly BytePairEncoder _encoder;

    private BpeTokenizer(BpeOptions options)
    {
        _vocabulary = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var (token, id) in options.Vocabulary)
        {
            if (!_vocabulary.TryAdd(token, id))
            {
                throw new InvalidOperationException($"Token '{token}' stands twice in the vocabulary.");
            }

            _tokens.TryAdd(id, (token, ByteAlphabet.Decode(token), false));
        }

        if (options.SpecialTokens is { Count: > 0 } specialTokens)
        {
            _specialTokens = new Dictionary<string, int>(specialTokens, StringComparer.Ordinal);
            foreach (var (token, id) in specialTokens)
            {
                _tokens[id] = (token, Encoding.UTF8.GetBytes(token), true);
                _longestSpecialToken = Math.Max(_longestSpecialToken, token.Length);
            }
        }

        _encoder = new BytePairEncoder(_vocabulary, options.Merges ?? []);
        PreTokenizer = options.PreTokenizer;
        Normalizer = options.Normalizer;
        ByteLevel = options.ByteLevel;
    }

    public IReadOnlyDictionary<string, int>? SpecialTokens => _specialTokens;

    public bool ByteLevel { get; }

    public override PreTokenizer? PreTokenizer { get; }

    public override Normalizer? Normalizer { get; }

    public IReadOnlyDictionary<string, int> Vocabulary => _vocabulary;

    /// <exception cref="InvalidOperationException">
    /// The vocabulary is empty, lacks the token of a byte or names a token twice; or a merge is malformed, repeated or
    /// names a token that the vocabulary lacks.
    /// </exception>
    /// <exception cref="NotSupportedException"><see cref="BpeOptions.ByteLevel"/> is off.</exception>
    public static BpeTokenizer Create(BpeOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (!options.ByteLevel)
        {
            throw new NotSupportedException(
                "BpeOptions.ByteLevel is false, and this build of Microsoft.ML.Tokenizers has byte-level BPE only; set it to true.");
        }

        return new BpeTokenizer(options);
    }

    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        var tokens = new List<EncodedToken>();
        var normalized = Normalize(text, ref textSpan, settings);
        var consumed = textSpan.Length;
        foreach (var (offset, length) in Pieces(normalized ?? text, textSpan, settings))
        {
            var piece = textSpan.Slice(offset, length);
            var ids = Ids(piece, settings);
            var count = Fit(piece, ids, settings.MaxTokenCount - tokens.Count, out var charCount);
            var cursor = new CharacterCursor(piece);
            for (var i = 0; i < count; i++)
            {
                var (token, bytes, _) = _tokens[ids[i]];
                var (start, end) = cursor.Advance(bytes.Length);
                tokens.Add(new EncodedToken(ids[i], token, (offset + start)..(offset + end)));
            }

            if (count < ids.Length)
            {
                consumed = offset + charCount;
                break;
            }
        }

        return new EncodeResults<EncodedToken> { Tokens = tokens, NormalizedText = normalized, CharsConsumed = consumed };
    }

    protected override EncodeResults<int> EncodeToIds(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        var result = new List<int>();
        var normalized = Normalize(text, ref textSpan, settings);
        var consumed = textSpan.Length;
        foreach (var (offset, length) in Pieces(normalized ?? text, textSpan, settings))
        {
            var piece = textSpan.Slice(offset, length);
            var ids = Ids(piece, settings);
            var count = Fit(piece, ids, settings.MaxTokenCount - result.Count, out var charCount);
            result.AddRange(ids.AsSpan(0, count));
            if (count < ids.Length)
            {
                consumed = offset + charCount;
                break;
            }
        }

        return new EncodeResults<int> { Tokens = result, NormalizedText = normalized, CharsConsumed = consumed };
    }

    protected override int CountTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        var total = 0;
        var normalized = Normalize(text, ref textSpan, settings);
        foreach (var (offset, length) in Pieces(normalized ?? text, textSpan, settings))
        {
            var piece = textSpan.Slice(offset, length);
            var ids = Ids(piece, settings);
            var count = Fit(piece, ids, settings.MaxTokenCount - total, out _);
            total += count;
            if (count < ids.Length)
            {
                break;
            }
        }

        return total;
    }

    public override string Decode(IEnumerable<int> ids) => Decode(ids, considerSpecialTokens: true);

    /// <inheritdoc cref="Tokenizer.Decode(IEnumerable{int})"/>
    /// <param name="ids">Token ids.</param>
    /// <param name="considerSpecialTokens">False leaves special tokens out of the text.</param>
    public string Decode(IEnumerable<int> ids, bool considerSpecialTokens)
    {
        ArgumentNullException.ThrowIfNull(ids);
        var bytes = new ArrayBufferWriter<byte>();
        foreach (var id in ids)
        {
            if (_tokens.TryGetValue(id, out var token) && (considerSpecialTokens || !token.IsSpecial))
            {
                bytes.Write(token.Bytes);
            }
        }

        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }

    public override OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten)
        => Decode(ids, destination, considerSpecialTokens: true, out idsConsumed, out charsWritten);

    /// <inheritdoc cref="Tokenizer.Decode(IEnumerable{int}, Span{char}, out int, out int)"/>
    public OperationStatus Decode(
        IEnumerable<int> ids, Span<char> destination, bool considerSpecialTokens, out int idsConsumed, out int charsWritten)
    {
        ArgumentNullException.ThrowIfNull(ids);
        idsConsumed = 0;
        charsWritten = 0;
        // Ids whose last byte is inside a character wait here until the character is whole.
        var pending = new ArrayBufferWriter<byte>();
        var pendingIds = 0;
        foreach (var id in ids)
        {
            if (!_tokens.TryGetValue(id, out var token))
            {
                return OperationStatus.InvalidData;
            }

            pendingIds++;
            if (considerSpecialTokens || !token.IsSpecial)
            {
                pending.Write(token.Bytes);
            }

            if (EndsInsideCharacter(pending.WrittenSpan))
            {
                continue;
            }

            if (!Encoding.UTF8.TryGetChars(pending.WrittenSpan, destination[charsWritten..], out var written))
            {
                return OperationStatus.DestinationTooSmall;
            }

            charsWritten += written;
            idsConsumed += pendingIds;
            pendingIds = 0;
            pending.ResetWrittenCount();
        }

        return pendingIds == 0 ? OperationStatus.Done : OperationStatus.NeedMoreData;
    }

    private static bool EndsInsideCharacter(ReadOnlySpan<byte> utf8)
    {
        for (var length = 1; length <= Math.Min(3, utf8.Length); length++)
        {
            if (Rune.DecodeFromUtf8(utf8[^length..], out _, out _) == OperationStatus.NeedMoreData)
            {
                return true;
            }
        }

        return false;
    }

    private string? Normalize(string? text, ref ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(settings.MaxTokenCount, nameof(settings.MaxTokenCount));
        if (Normalizer is null || !settings.ConsiderNormalization || textSpan.IsEmpty)
        {
            return null;
        }

        var normalized = text is null ? Normalizer.Normalize(textSpan) : Normalizer.Normalize(text);
        textSpan = normalized;
        return normalized;
    }

    private IEnumerable<(int Offset, int Length)> Pieces(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        if (textSpan.IsEmpty)
        {
            return [];
        }

        if (PreTokenizer is null || !settings.ConsiderPreTokenization)
        {
            return [(0, textSpan.Length)];
        }

        return text is null ? PreTokenizer.PreTokenize(textSpan) : PreTokenizer.PreTokenize(text);
    }

    private int[] Ids(ReadOnlySpan<char> piece, EncodeSettings settings)
    {
        if (_specialTokens is not null && settings.ConsiderPreTokenization && piece.Length <= _longestSpecialToken
            && _specialTokens.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(piece, out var id))
        {
            return [id];
        }

        return piece.IsEmpty ? [] : _encoder.Encode(piece);
    }

    /// <summary>How many leading ids stay within <paramref name="room"/> and end where a character ends.</summary>
    private int Fit(ReadOnlySpan<char> piece, int[] ids, int room, out int charCount)
    {
        charCount = piece.Length;
        if (ids.Length <= room)
        {
            return ids.Length;
        }

        var fitting = 0;
        charCount = 0;
        var cursor = new CharacterCursor(piece);
        for (var i = 0; i < room; i++)
        {
            var (_, end) = cursor.Advance(_tokens[ids[i]].Bytes.Length);
            if (cursor.AtCharacterEnd)
            {
                fitting = i + 1;
                charCount = end;
            }
        }

        return fitting;
    }
}
