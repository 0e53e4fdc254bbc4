using System.Buffers;
using System.Text;
using KvShiftScale.Data.Tokenization.Files;
using KvShiftScale.Data.Tokenization.Merging;
using KvShiftScale.Data.Tokenization.Vocabulary;
using Microsoft.ML.Tokenizers;

namespace KvShiftScale.Data.Tokenization;

/// <summary>
/// A byte-pair encoding loaded from its files: documents to ids and back. Unless told otherwise, text never gives a special id: a document
/// that contains the words <c>&lt;|endoftext|&gt;</c> keeps them as text. Safe to use from several threads at once.
/// </summary>
/// <remarks>
/// Decoding is the inverse of encoding for every well-formed text, where the tokenizer does not itself normalize; what is not well-formed
/// (an unpaired surrogate, a broken UTF-8 sequence) comes back as U+FFFD.
/// </remarks>
public sealed class TokenizerModel : Tokenizer
{
    private readonly BpeEncoder _encoder;
    private readonly TokenTable _tokens;
    private readonly bool _dropsFirstBlank;

    private readonly TokenizerDescription _description;
    private readonly string? _formerHash;

    internal TokenizerModel(TokenizerDescription description)
    {
        _description = description.EndOfText is null ? TokenizerCompanions.Apply(description, null) : description;
        _tokens = new TokenTable(description);
        _encoder = new BpeEncoder(description);
        _dropsFirstBlank = description.DecodingDropsFirstBlank;
        Hash = TokenizerHash.Of(description, _tokens);
        _formerHash = TokenizerHash.FormerOf(description, _tokens);
    }

    /// <summary>One more than the largest id; the number of ids where none is left out.</summary>
    public int VocabularySize => _tokens.Count;

    /// <summary>The id that ends a document; null where none is certain, see <see cref="EndOfTextMissing"/>. Nothing here appends it.</summary>
    public int? EndOfTextId => IdOf(_description.EndOfText!);

    /// <summary>Why no id ends a document, as a sentence without a full stop; null where one does.</summary>
    public string? EndOfTextMissing => _description.EndOfText!.Missing;

    /// <summary>The id that begins a document; null where none is certain, see <see cref="BeginOfTextMissing"/>. Nothing here puts it there.</summary>
    public int? BeginOfTextId => IdOf(_description.BeginOfText!);

    /// <summary>Why no id begins a document, as a sentence without a full stop; null where one does.</summary>
    public string? BeginOfTextMissing => _description.BeginOfText!.Missing;

    /// <summary>
    /// The id that ended documents by the rule of versions which read no statement of the files: that of the first known name. For work that
    /// such a version has begun.
    /// </summary>
    internal int? EndOfTextIdByName => IdOf(TokenizerCompanions.Apply(_description, null).EndOfText!);

    /// <summary>
    /// 16 hexadecimal digits (the first 8 bytes of a SHA-256) over the vocabulary in id order, the merges in rank order and the way in which
    /// text is normalized and split: the same for a folder and a <c>tokenizer.json</c> of the same content.
    /// </summary>
    public string Hash { get; }

    /// <param name="path">
    /// A folder with <c>tokenizer.json</c>, with <c>vocab.json</c> and <c>merges.txt</c>, or with one <c>.tiktoken</c> file, looked for in
    /// this order; or the path of a <c>tokenizer.json</c> or <c>.tiktoken</c> file; or, where nothing has that path, the name of a published
    /// encoding: <c>cl100k_base</c>, <c>o200k_base</c>, <c>r50k_base</c>, <c>gpt2</c>.
    /// </param>
    /// <exception cref="FileNotFoundException">The path or the files in it do not exist.</exception>
    /// <exception cref="InvalidDataException">The files are damaged, or describe a tokenizer that works in another way.</exception>
    public static TokenizerModel Load(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return new TokenizerModel(TokenizerFile.Read(path));
    }

    /// <summary>Whether a hash names this tokenizer: it is <see cref="Hash"/>, or the one that an earlier version gave it.</summary>
    public bool IsNamedBy(string hash) => hash == Hash || hash == _formerHash;

    /// <summary>The id of a token by its spelling in the vocabulary, or of a number that is an id. Digits alone are an id.</summary>
    /// <exception cref="ArgumentException">There is none; the message says what was wanted.</exception>
    public int FindToken(string tokenOrId)
    {
        if (tokenOrId.Length > 0 && tokenOrId.All(char.IsAsciiDigit))
        {
            return int.TryParse(tokenOrId, System.Globalization.NumberStyles.None, null, out var number) && _tokens.TryGet(number, out _)
                ? number
                : throw new ArgumentException($"{_description.Source} has no id {tokenOrId}; its ids are below {VocabularySize}");
        }

        return _description.Vocabulary.TryGetValue(tokenOrId, out var id)
            ? id
            : throw new ArgumentException($"{_description.Source} has no token '{tokenOrId}'; wanted one as its vocabulary spells it, or an id");
    }

    /// <summary>Whether an id has a token. Ids below <see cref="VocabularySize"/> may have none, where a vocabulary has gaps.</summary>
    public bool HasId(int id) => _tokens.TryGet(id, out _);

    /// <summary>The vocabulary's spelling of an id.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public string TokenOf(int id)
    {
        TokenBytes(id);
        return _tokens.Name(id);
    }

    /// <summary>The ids of a document, without an end of text.</summary>
    public int[] Encode(string text, SpecialTokens specialTokens = SpecialTokens.AsText)
    {
        var ids = new List<int>();
        Encode(text.AsSpan(), ids, specialTokens);
        return [.. ids];
    }

    /// <summary>Appends the ids of a document to <paramref name="destination"/>, without an end of text.</summary>
    public void Encode(string text, List<int> destination) => Encode(text.AsSpan(), destination, SpecialTokens.AsText);

    /// <inheritdoc cref="Encode(string, List{int})"/>
    public void Encode(ReadOnlySpan<char> text, List<int> destination, SpecialTokens specialTokens = SpecialTokens.AsText)
    {
        ArgumentNullException.ThrowIfNull(destination);
        var state = _encoder.Rent();
        try
        {
            _encoder.Encode(text, specialTokens, state);
            destination.AddRange(state.Result);
        }
        finally
        {
            _encoder.Return(state);
        }
    }

    /// <summary>
    /// Appends the ids of a document in UTF-8 to <paramref name="destination"/>, without an end of text. Each maximal part of a broken
    /// sequence is encoded as U+FFFD, as in WHATWG's encoding standard and Rust's <c>from_utf8_lossy</c>.
    /// </summary>
    public void EncodeUtf8(ReadOnlySpan<byte> text, List<int> destination, SpecialTokens specialTokens = SpecialTokens.AsText)
    {
        ArgumentNullException.ThrowIfNull(destination);
        var state = _encoder.Rent();
        try
        {
            _encoder.Encode(text, specialTokens, state);
            destination.AddRange(state.Result);
        }
        finally
        {
            _encoder.Return(state);
        }
    }

    /// <summary>The text of the ids; special ids appear by name. Bytes that are not UTF-8 become U+FFFD.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    public override string Decode(IEnumerable<int> ids)
    {
        ArgumentNullException.ThrowIfNull(ids);
        var bytes = new ArrayBufferWriter<byte>();
        foreach (var id in ids)
        {
            bytes.Write(TokenBytes(id));
        }

        var text = bytes.WrittenSpan;
        return Encoding.UTF8.GetString(_dropsFirstBlank && text.StartsWith(" "u8) ? text[1..] : text);
    }

    /// <summary>Writes the text of the ids as far as it goes.</summary>
    /// <param name="idsConsumed">Leading ids whose whole text stands in <paramref name="destination"/>.</param>
    /// <param name="charsWritten">UTF-16 units of those ids.</param>
    /// <returns>
    /// <see cref="OperationStatus.InvalidData"/> at an id that the vocabulary lacks,
    /// <see cref="OperationStatus.NeedMoreData"/> when the ids end inside a character.
    /// </returns>
    public override OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten)
    {
        ArgumentNullException.ThrowIfNull(ids);
        idsConsumed = 0;
        charsWritten = 0;
        // Ids whose last byte is inside a character wait here until the character is whole.
        var pending = new ArrayBufferWriter<byte>();
        var pendingIds = 0;
        foreach (var id in ids)
        {
            if (!_tokens.TryGet(id, out var bytes))
            {
                return OperationStatus.InvalidData;
            }

            var isFirst = idsConsumed + pendingIds == 0;
            pending.Write(isFirst && _dropsFirstBlank && bytes.StartsWith(" "u8) ? bytes[1..] : bytes);
            pendingIds++;
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

    /// <summary>The bytes that an id stands for.</summary>
    internal ReadOnlySpan<byte> TokenBytes(int id)
        => _tokens.TryGet(id, out var bytes)
            ? bytes
            : throw new ArgumentOutOfRangeException(
                nameof(id), id, $"The tokenizer has no such id; its vocabulary has {VocabularySize} ids from 0 on.");

    /// <summary>
    /// Tokens with their place in the normalized text. Special tokens are text; normalization and splitting are always done as the files say.
    /// </summary>
    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        var state = _encoder.Rent();
        try
        {
            state.Trace = [];
            _encoder.Encode(textSpan, SpecialTokens.AsText, state);
            return TracedTokens.Of(state, textSpan, _tokens, settings.MaxTokenCount);
        }
        finally
        {
            _encoder.Return(state);
        }
    }

    /// <inheritdoc cref="EncodeToTokens"/>
    protected override EncodeResults<int> EncodeToIds(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        if (settings.MaxTokenCount != int.MaxValue)
        {
            return base.EncodeToIds(text, textSpan, settings);
        }

        var ids = new List<int>();
        Encode(textSpan, ids);
        return new EncodeResults<int> { Tokens = ids, CharsConsumed = textSpan.Length };
    }

    private int? IdOf(TokenRole role) => role.Token is { } token ? _description.Vocabulary[token] : null;

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
}
