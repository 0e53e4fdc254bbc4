using System.Text.RegularExpressions;

namespace Microsoft.ML.Tokenizers;

/// <summary>
/// The pieces are the matches of a regular expression. Special tokens are cut out first, each a piece of its own; the
/// expression sees the text between two of them as if it ended there.
/// </summary>
public sealed class RegexPreTokenizer : PreTokenizer
{
    private readonly Regex _regex;
    private readonly Regex? _specialTokens;

    /// <param name="regex">Matches one piece.</param>
    /// <param name="specialTokens">Where two of them could match, the one listed first wins.</param>
    public RegexPreTokenizer(Regex regex, IReadOnlyDictionary<string, int>? specialTokens)
    {
        ArgumentNullException.ThrowIfNull(regex);
        _regex = regex;
        if (specialTokens is { Count: > 0 })
        {
            _specialTokens = new Regex(string.Join('|', specialTokens.Keys.Select(Regex.Escape)), RegexOptions.CultureInvariant);
        }
    }

    public override IEnumerable<(int Offset, int Length)> PreTokenize(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return PreTokenize(text.AsSpan());
    }

    public override IEnumerable<(int Offset, int Length)> PreTokenize(ReadOnlySpan<char> text)
    {
        var pieces = new List<(int Offset, int Length)>();
        var start = 0;
        if (_specialTokens is not null)
        {
            foreach (var special in _specialTokens.EnumerateMatches(text))
            {
                AddMatches(text[start..special.Index], start, pieces);
                pieces.Add((special.Index, special.Length));
                start = special.Index + special.Length;
            }
        }

        AddMatches(text[start..], start, pieces);
        return pieces;
    }

    private void AddMatches(ReadOnlySpan<char> text, int offset, List<(int Offset, int Length)> pieces)
    {
        foreach (var match in _regex.EnumerateMatches(text))
        {
            if (match.Length > 0)
            {
                pieces.Add((offset + match.Index, match.Length));
            }
        }
    }
}
