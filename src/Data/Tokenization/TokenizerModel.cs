using System.Buffers;
using System.Text;
using KvShiftScale.Data.Tokenization.Files;
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

    internal TokenizerModel(TokenizerDescription description)
    {
        EndOfTextId = description.Vocabulary[description.FindEndOfText()];
        _tokens = new TokenTable(description);
        _encoder = new BpeEncoder(description);
        _dropsFirstBlank = description.DecodingDropsFirstBlank;
        Hash = TokenizerHash.Of(description, _tokens);
    }

    /// <summary>One more than the largest id; the number of ids where none is left out.</summary>
    public int VocabularySize => _tokens.Count;

    /// <summary>The id that ends a document. Nothing here appends it.</summary>
    public int EndOfTextId { get; }

    /// <summary>
    /// 16 hexadecimal digits (the first 8 bytes of a SHA-256) over the vocabulary in id order, the merges in rank order and the way in which
    /// text is normalized and split: the same for a folder and a <c>tokenizer.json</c> of the same content.
    /// </summary>
    public string Hash { get; }

    /// <param name="path">
    /// A folder with <c>vocab.json</c> and <c>merges.txt</c>, with <c>tokenizer.json</c> or with one <c>.tiktoken</c> file, looked for in
    /// this order; or the path of a <c>tokenizer.json</c> or <c>.tiktoken</c> file.
    /// </param>
    /// <exception cref="FileNotFoundException">The path or the files in it do not exist.</exception>
    /// <exception cref="InvalidDataException">The files are damaged, or describe a tokenizer that works in another way.</exception>
    public static TokenizerModel Load(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return new TokenizerModel(TokenizerFile.Read(path));
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
