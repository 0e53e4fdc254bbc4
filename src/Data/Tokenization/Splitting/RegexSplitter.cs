using System.Text.RegularExpressions;
using KvShiftScale.Data.Tokenization.Splitting.Expressions;

namespace KvShiftScale.Data.Tokenization.Splitting;

/// <summary>Splits by an expression that has no scanner: each match is a piece, and so is what lies between two matches.</summary>
/// <remarks>
/// The expression means what its own library takes it for. .NET runs it over kinds of characters, see <see cref="ExpressionTranslation"/>, so
/// that a character above U+FFFF is one, and sets are those of the library.
/// </remarks>
internal sealed class RegexSplitter : PieceSplitter
{
    private static readonly TimeSpan LongestSearch = TimeSpan.FromSeconds(10);

    private readonly string _text;
    private readonly Regex _expression;
    private readonly char[] _kinds;

    /// <exception cref="FormatException">The expression has a part that is not known here.</exception>
    public RegexSplitter(string expression, ExpressionDialect dialect)
        : this(expression, dialect, LongestSearch)
    {
    }

    internal RegexSplitter(string expression, ExpressionDialect dialect, TimeSpan longestSearch)
    {
        _text = expression;
        (var translated, _kinds) = ExpressionTranslation.Of(expression, dialect);
        _expression = new Regex(translated, RegexOptions.CultureInvariant | RegexOptions.Compiled, longestSearch);
    }

    public override void Split(ReadOnlySpan<byte> text, List<int> ends, int offset)
    {
        var characters = new char[text.Length];
        var lengths = new byte[text.Length];
        var kinds = _kinds;
        var count = 0;
        for (var index = 0; index < text.Length; count++)
        {
            var codePoint = CharacterClasses.CodePointAt(text, index, out var length);
            characters[count] = kinds[codePoint];
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
                $"The tokenizer's split expression '{_text}' found no piece within {_expression.MatchTimeout.TotalSeconds} s in a text of "
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
}
