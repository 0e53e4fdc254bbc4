using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Unicode;
using KvShiftScale.Data.Tokenization.Merging;
using KvShiftScale.Data.Tokenization.Normalization;
using KvShiftScale.Data.Tokenization.Splitting;
using KvShiftScale.Data.Tokenization.Vocabulary;

namespace KvShiftScale.Data.Tokenization;

/// <summary>Text to ids. Immutable but for the states that it keeps for the threads that use it, so any number of threads may share one.</summary>
internal sealed class BpeEncoder
{
    /// <summary>So that three bytes for each character still fit in an array.</summary>
    private const int LongestText = 700_000_000;

    private readonly TokenizerDescription _description;
    private readonly SymbolTable _symbols;
    private readonly MergeTable _merges;
    private readonly WholePieces? _wholePieces;
    private readonly AddedTokenFinder _rawTokens;
    private readonly AddedTokenFinder _normalizedTokens;
    private readonly PieceSplitter[] _splitters;

    /// <summary>One for each thread that was ever encoding at the same time.</summary>
    private readonly System.Collections.Concurrent.ConcurrentBag<EncodingState> _states = [];

    /// <exception cref="InvalidDataException">Vocabulary and merges do not fit together.</exception>
    public BpeEncoder(TokenizerDescription description)
    {
        _description = description;
        _symbols = new SymbolTable(description);
        _merges = MergeTableBuilder.Build(description);
        _wholePieces = description.TakesWholePieces ? new WholePieces(description) : null;
        _rawTokens = new AddedTokenFinder(
            description.AddedTokens.Where(token => !token.Normalized).Select(token => (token.Content, token)));
        _normalizedTokens = new AddedTokenFinder(
            description.AddedTokens.Where(token => token.Normalized).Select(token => (Normalize(token.Content), token)));
        _splitters = [.. description.Splitters];
    }

    /// <summary>A state to encode with, to be given back by <see cref="Return"/>.</summary>
    public EncodingState Rent() => _states.TryTake(out var state) ? state : new EncodingState();

    public void Return(EncodingState state)
    {
        state.Reset();
        _states.Add(state);
    }

    /// <summary>Appends the ids of a text to the state's. An unpaired surrogate is encoded as U+FFFD.</summary>
    /// <exception cref="InvalidDataException">The text is too long for an array, or cannot be split in reasonable time.</exception>
    public void Encode(ReadOnlySpan<char> text, SpecialTokens specialTokens, EncodingState state)
    {
        ThrowIfTooLong(text.Length);
        if (_description.Normalization.Count == 0 && !_rawTokens.Looks(specialTokens) && !_normalizedTokens.Looks(specialTokens))
        {
            EncodePieces(text, isFirst: true, state);
            return;
        }

        var (from, searched) = (0, 0);
        while (_rawTokens.Looks(specialTokens)
            && _rawTokens.TryFind(text, ref searched, from, specialTokens, out var token, out var start, out var end))
        {
            EncodeNormalized(text[from..Math.Max(from, start)], from == 0, specialTokens, state);
            AddToken(token, text[start..end], state);
            from = end;
        }

        EncodeNormalized(text[from..], from == 0, specialTokens, state);
    }

    /// <summary>Appends the ids of a UTF-8 text to the state's. What is not UTF-8 is encoded as U+FFFD, one for each maximal part of a character.</summary>
    /// <inheritdoc cref="Encode(ReadOnlySpan{char}, SpecialTokens, EncodingState)"/>
    public void Encode(ReadOnlySpan<byte> utf8, SpecialTokens specialTokens, EncodingState state)
    {
        ThrowIfTooLong(utf8.Length);
        var isPlain = _description.Normalization.Count == 0 && _description.Metaspace is null && !_description.AddsPrefixBlank
            && !_rawTokens.Looks(specialTokens) && !_normalizedTokens.Looks(specialTokens);
        if (isPlain && state.Trace is null && Utf8.IsValid(utf8))
        {
            utf8.CopyTo(state.TextBuffer(utf8.Length));
            EncodeBuffer(utf8.Length, state);
            return;
        }

        Encode(Encoding.UTF8.GetString(utf8), specialTokens, state);
    }

    private static void ThrowIfTooLong(int length)
    {
        if (length > LongestText)
        {
            throw new InvalidDataException($"A text of {length} characters is too long; at most {LongestText} can be encoded at once. Split it.");
        }
    }

    private static void AddToken(AddedToken token, ReadOnlySpan<char> text, EncodingState state)
    {
        state.Trace?.Add((text.ToString(), state.Count));
        state.Add(token.Id);
    }

    private string Normalize(string text) => _description.Normalization.Aggregate(text, (current, step) => step.Apply(current));

    private void EncodeNormalized(ReadOnlySpan<char> text, bool isFirst, SpecialTokens specialTokens, EncodingState state)
    {
        if (text.IsEmpty)
        {
            return;
        }

        if (_description.Normalization.Count > 0)
        {
            text = Normalize(text.ToString());
        }

        var (from, searched) = (0, 0);
        while (_normalizedTokens.Looks(specialTokens)
            && _normalizedTokens.TryFind(text, ref searched, from, specialTokens, out var token, out var start, out var end))
        {
            EncodePieces(text[from..Math.Max(from, start)], isFirst && from == 0, state);
            AddToken(token, text[start..end], state);
            from = end;
        }

        EncodePieces(text[from..], isFirst && from == 0, state);
    }

    /// <summary>Encodes text that holds no added token any more.</summary>
    private void EncodePieces(ReadOnlySpan<char> text, bool isFirst, EncodingState state)
    {
        if (text.IsEmpty)
        {
            return;
        }

        if (_description.Metaspace is { } rule)
        {
            var signed = text.ToString().Replace(' ', MetaspaceScanner.Sign);
            var prepends = rule == MetaspaceRule.Always || (rule == MetaspaceRule.First && isFirst);
            text = prepends && signed[0] != MetaspaceScanner.Sign ? MetaspaceScanner.Sign + signed : signed;
        }
        else if (_description.AddsPrefixBlank && text[0] != ' ')
        {
            text = string.Concat(" ", text);
        }

        state.Trace?.Add((text.ToString(), state.Count));
        var buffer = state.TextBuffer(Encoding.UTF8.GetMaxByteCount(text.Length));
        EncodeBuffer(Encoding.UTF8.GetBytes(text, buffer), state);
    }

    private void EncodeBuffer(int byteCount, EncodingState state)
    {
        state.EnsureIdRoom(byteCount);
        var text = state.Text.AsSpan(0, byteCount);
        if (_splitters is [PieceScanner scanner])
        {
            for (var start = 0; start < text.Length;)
            {
                var end = scanner.PieceEnd(text, start);
                EncodePiece(text, start, end - start, state);
                start = end;
            }

            return;
        }

        Split(text, state);
        var from = 0;
        foreach (var end in CollectionsMarshal.AsSpan(state.Ends))
        {
            EncodePiece(text, from, end - from, state);
            from = end;
        }
    }

    private void Split(ReadOnlySpan<byte> text, EncodingState state)
    {
        state.Ends.Clear();
        if (!text.IsEmpty)
        {
            state.Ends.Add(text.Length);
        }

        foreach (var splitter in _splitters)
        {
            state.SwapEnds();
            state.Ends.Clear();
            var from = 0;
            foreach (var end in CollectionsMarshal.AsSpan(state.PreviousEnds))
            {
                splitter.Split(text[from..end], state.Ends, from);
                from = end;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void EncodePiece(ReadOnlySpan<byte> text, int start, int length, EncodingState state)
    {
        if (length > PieceCache.LongestPiece)
        {
            EncodeUncached(text.Slice(start, length), state);
            return;
        }

        // The buffer goes on behind the text, and behind the ids, so neither access can leave it.
        var key = PieceCache.Key(ref Unsafe.Add(ref MemoryMarshal.GetReference(text), start), length);
        if (state.Cache.TryCopy(key, ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(state.Ids), state.Count), out var count))
        {
            state.Count += count;
            return;
        }

        var first = state.Count;
        EncodeUncached(text.Slice(start, length), state);
        state.Cache.Add(key, state.Ids.AsSpan(first, state.Count - first));
    }

    private void EncodeUncached(ReadOnlySpan<byte> piece, EncodingState state)
    {
        if (_wholePieces is not null && _wholePieces.TryFind(piece, out var id))
        {
            state.Ids[state.Count++] = id;
            return;
        }

        var symbols = state.Ids.AsSpan(state.Count, piece.Length);
        var count = _symbols.Fill(piece, symbols);
        state.Count += SymbolMerger.Merge(_merges, symbols[..count]);
    }
}
