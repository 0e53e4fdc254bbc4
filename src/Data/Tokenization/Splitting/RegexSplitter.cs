using System.Globalization;
using System.Text.RegularExpressions;

namespace KvShiftScale.Data.Tokenization.Splitting;

/// <summary>Splits by an expression that has no scanner: each match is a piece, and so is what lies between two matches.</summary>
/// <remarks>
/// .NET's expressions see UTF-16 units. So that a character above U+FFFF is seen as the letter, digit or sign that it is, the expression is
/// given a character of the same general category below it in its place; ranges of such characters in an expression match nothing.
/// </remarks>
internal sealed class RegexSplitter : PieceSplitter
{
    private static readonly TimeSpan LongestSearch = TimeSpan.FromSeconds(10);

    private static readonly char[] StandIns = FindStandIns();

    private readonly Regex _expression;

    /// <exception cref="ArgumentException">.NET does not know the expression.</exception>
    public RegexSplitter(string expression)
        : this(expression, LongestSearch)
    {
    }

    internal RegexSplitter(string expression, TimeSpan longestSearch)
        => _expression = new Regex(expression, RegexOptions.CultureInvariant | RegexOptions.Compiled, longestSearch);

    public override void Split(ReadOnlySpan<byte> text, List<int> ends, int offset)
    {
        var characters = new char[text.Length];
        var lengths = new byte[text.Length];
        var count = 0;
        for (var index = 0; index < text.Length; count++)
        {
            var codePoint = CharacterClasses.CodePointAt(text, index, out var length);
            characters[count] = codePoint <= char.MaxValue ? (char)codePoint : StandIns[(int)CharUnicodeInfo.GetUnicodeCategory(codePoint)];
            lengths[count] = (byte)length;
            index += length;
        }

        var (character, end) = (0, 0);
        try
        {
            foreach (var match in _expression.EnumerateMatches(characters.AsSpan(0, count)))
            {
                CutAt(match.Index);
                CutAt(match.Index + match.Length);
            }
        }
        catch (RegexMatchTimeoutException error)
        {
            throw new InvalidDataException(
                $"The tokenizer's split expression '{_expression}' found no piece within {_expression.MatchTimeout.TotalSeconds} s in a text of "
                + $"{text.Length} bytes. Use a tokenizer with a published expression, or shorter documents.",
                error);
        }

        CutAt(count);

        void CutAt(int index)
        {
            if (index == character)
            {
                return;
            }

            while (character < index)
            {
                end += lengths[character++];
            }

            ends.Add(offset + end);
        }
    }

    /// <summary>By general category, the last character of the first plane that is in it.</summary>
    private static char[] FindStandIns()
    {
        var standIns = new char[(int)UnicodeCategory.OtherNotAssigned + 1];
        for (var codePoint = 0; codePoint <= char.MaxValue; codePoint++)
        {
            standIns[(int)CharUnicodeInfo.GetUnicodeCategory(codePoint)] = (char)codePoint;
        }

        return standIns;
    }
}
