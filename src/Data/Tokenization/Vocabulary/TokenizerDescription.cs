using KvShiftScale.Data.Tokenization.Normalization;
using KvShiftScale.Data.Tokenization.Splitting;

namespace KvShiftScale.Data.Tokenization.Vocabulary;

/// <summary>A byte-pair encoding as its files state it.</summary>
internal sealed record TokenizerDescription
{
    /// <summary>The folder or file it was read from, for messages.</summary>
    public required string Source { get; init; }

    /// <summary>Token string to id, added tokens included.</summary>
    public required IReadOnlyDictionary<string, int> Vocabulary { get; init; }

    /// <summary>Two tokens and, by place in the list, their rank.</summary>
    public required IReadOnlyList<(string Left, string Right)> Merges { get; init; }

    /// <summary>The split expression of a tiktoken encoding; null for others. <see cref="Merges"/> then come from its ranks.</summary>
    public string? TiktokenPattern { get; init; }

    public SymbolKind Symbols { get; init; } = SymbolKind.Bytes;

    /// <summary>A whole piece that is a token is taken as it is, whatever its merges would give.</summary>
    public bool TakesWholePieces { get; init; }

    /// <summary>Applied to the text in turn.</summary>
    public IReadOnlyList<NormalizationStep> Normalization { get; init; } = [];

    /// <summary>What becomes of blanks before the text is split, or null.</summary>
    public MetaspaceRule? Metaspace { get; init; }

    /// <summary>A blank is put before a text that does not begin with one.</summary>
    public bool AddsPrefixBlank { get; init; }

    /// <summary>Each splits the pieces of the one before it. None: the whole text is one piece.</summary>
    public IReadOnlyList<PieceSplitter> Splitters { get; init; } = [];

    /// <summary>Names of <see cref="Splitters"/>, for the hash.</summary>
    public IReadOnlyList<string> SplitterNames { get; init; } = [];

    public IReadOnlyList<AddedToken> AddedTokens { get; init; } = [];

    /// <summary>Decoding leaves out the blank that encoding put first.</summary>
    public bool DecodingDropsFirstBlank { get; init; }

    /// <summary>The token that ends a document; null as long as nobody has looked for it.</summary>
    public TokenRole? EndOfText { get; init; }

    /// <summary>The token that begins a document; null as long as nobody has looked for it.</summary>
    public TokenRole? BeginOfText { get; init; }

    /// <summary>All that decides about ids beside vocabulary, merges and added tokens, in words.</summary>
    public string Manner()
    {
        var parts = new List<string> { Symbols == SymbolKind.Bytes ? "byte-level bpe" : "bpe with byte fallback" };
        parts.AddRange(Normalization.Select(step => step.ToString()));
        if (Metaspace is { } metaspace)
        {
            parts.Add($"metaspace {metaspace}");
        }

        if (AddsPrefixBlank)
        {
            parts.Add("prefix blank");
        }

        parts.AddRange(SplitterNames);
        if (TakesWholePieces)
        {
            parts.Add("whole pieces");
        }

        return string.Join(", ", parts);
    }
}
