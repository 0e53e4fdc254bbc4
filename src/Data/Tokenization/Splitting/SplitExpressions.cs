using System.Diagnostics.CodeAnalysis;

namespace KvShiftScale.Data.Tokenization.Splitting;

/// <summary>Published split expressions, by their text, and the scanners that do the same.</summary>
internal static class SplitExpressions
{
    public const string Gpt2Name = "gpt-2 split";

    public const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    public const string Cl100k = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        + @"|\s*[\r\n]+|\s+(?!\S)|\s+";

    public const string Qwen2 = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        + @"|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>GPT-4o's; it has no scanner here.</summary>
    public const string O200k = @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        + @"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        + @"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>The same pieces in other words: contractions factored out, possessive quantifiers.</summary>
    private const string Gpt2Possessive = @"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s";

    private const string Gpt2Factored = @"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private static readonly Dictionary<string, (PieceScanner Scanner, string Name)> Known = new(StringComparer.Ordinal)
    {
        [Gpt2] = (Gpt2Scanner.Instance, Gpt2Name),
        [Gpt2Possessive] = (Gpt2Scanner.Instance, Gpt2Name),
        [Gpt2Factored] = (Gpt2Scanner.Instance, Gpt2Name),
        [Cl100k] = (new Cl100kScanner(3), "cl100k split"),
        [Qwen2] = (new Cl100kScanner(1), "qwen2 split"),
    };

    /// <remarks>They mean the same in every dialect.</remarks>
    public static bool TryFind(string expression, [NotNullWhen(true)] out PieceScanner? scanner, [NotNullWhen(true)] out string? name)
    {
        var found = Known.TryGetValue(expression, out var known);
        (scanner, name) = known;
        return found;
    }
}
