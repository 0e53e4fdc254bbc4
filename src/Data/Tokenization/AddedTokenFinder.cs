using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using KvShiftScale.Data.Tokenization.Vocabulary;

namespace KvShiftScale.Data.Tokenization;

/// <summary>Finds added tokens in a text: the leftmost, and of those that begin at one place the longest.</summary>
internal sealed class AddedTokenFinder
{
    private readonly SearchValues<char> _firstCharacters;
    private readonly Dictionary<char, (string Pattern, AddedToken Token)[]> _byFirstCharacter;

    /// <param name="tokens">What to look for, and the token it stands for.</param>
    public AddedTokenFinder(IEnumerable<(string Pattern, AddedToken Token)> tokens)
    {
        _byFirstCharacter = tokens.Where(entry => entry.Pattern.Length > 0).GroupBy(entry => entry.Pattern[0])
            .ToDictionary(group => group.Key, group => group.OrderByDescending(entry => entry.Pattern.Length).ToArray());
        _firstCharacters = SearchValues.Create([.. _byFirstCharacter.Keys]);
        HasOrdinary = _byFirstCharacter.Values.Any(group => group.Any(entry => !entry.Token.IsSpecial));
        IsEmpty = _byFirstCharacter.Count == 0;
    }

    public bool IsEmpty { get; }

    /// <summary>True when there are tokens that are not special.</summary>
    public bool HasOrdinary { get; }

    public bool Looks(SpecialTokens specialTokens) => specialTokens == SpecialTokens.Recognized ? !IsEmpty : HasOrdinary;

    /// <summary>The next token; white space that belongs to it is in its range.</summary>
    /// <remarks>
    /// As in Hugging Face's library, white space that a token has taken behind it is searched again, so that a token made of white space may
    /// be found in it.
    /// </remarks>
    /// <param name="text">Searched.</param>
    /// <param name="searched">How much of the text has been searched; moves on.</param>
    /// <param name="from">The end of the token found before, or 0. White space before this is left alone.</param>
    /// <param name="specialTokens">Special tokens that are text hide what they overlap and are passed over.</param>
    public bool TryFind(
        ReadOnlySpan<char> text,
        ref int searched,
        int from,
        SpecialTokens specialTokens,
        [NotNullWhen(true)] out AddedToken? token,
        out int start,
        out int end)
    {
        while (searched < text.Length)
        {
            var step = text[searched..].IndexOfAny(_firstCharacters);
            if (step < 0)
            {
                break;
            }

            start = searched + step;
            if (LongestAt(text[start..]) is not { } found)
            {
                searched = start + 1;
                continue;
            }

            end = searched = start + found.Pattern.Length;
            token = found.Token;
            if ((token.IsSpecial && specialTokens == SpecialTokens.AsText)
                || (token.SingleWord && (EndsWithWord(text[..start]) || StartsWithWord(text[end..]))))
            {
                continue;
            }

            if (token.TakesBlanksBefore)
            {
                start = start > from ? from + text[from..start].TrimEnd().Length : from;
            }

            if (token.TakesBlanksAfter)
            {
                end = text.Length - text[end..].TrimStart().Length;
            }

            return true;
        }

        searched = text.Length;
        (token, start, end) = (null, 0, 0);
        return false;
    }

    private (string Pattern, AddedToken Token)? LongestAt(ReadOnlySpan<char> text)
    {
        foreach (var entry in _byFirstCharacter[text[0]])
        {
            if (text.StartsWith(entry.Pattern, StringComparison.Ordinal))
            {
                return entry;
            }
        }

        return null;
    }

    private static bool EndsWithWord(ReadOnlySpan<char> text)
        => Rune.DecodeLastFromUtf16(text, out var last, out _) == OperationStatus.Done && IsWord(last);

    private static bool StartsWithWord(ReadOnlySpan<char> text)
        => Rune.DecodeFromUtf16(text, out var first, out _) == OperationStatus.Done && IsWord(first);

    /// <summary>What <c>\w</c> is by Unicode's recommendation: alphabetic, marks, decimal digits, connectors, joiners.</summary>
    private static bool IsWord(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        <= UnicodeCategory.LetterNumber => true,
        UnicodeCategory.ConnectorPunctuation => true,
        UnicodeCategory.OtherSymbol => rune.Value is (>= 0x24B6 and <= 0x24E9) or (>= 0x1F130 and <= 0x1F149)
            or (>= 0x1F150 and <= 0x1F169) or (>= 0x1F170 and <= 0x1F189),
        _ => rune.Value is 0x200C or 0x200D,
    };
}
