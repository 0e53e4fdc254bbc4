using System.Globalization;
using Microsoft.ML.Tokenizers;

namespace KvShiftScale.Data.Tokenization;

/// <summary>
/// Splits text as GPT-2's published expression does:
/// <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c>.
/// </summary>
/// <remarks>
/// Written out because .NET's expressions classify UTF-16 units: letters and digits above U+FFFF would count as "other" there, while
/// Hugging Face and tiktoken classify code points, as is done here. The pieces cover the text without a gap.
/// </remarks>
internal sealed class Gpt2PreTokenizer : PreTokenizer
{
    private enum CharacterClass
    {
        Letter,
        Number,
        WhiteSpace,
        Other,
    }

    public override IEnumerable<(int Offset, int Length)> PreTokenize(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Pieces(text);
    }

    public override IEnumerable<(int Offset, int Length)> PreTokenize(ReadOnlySpan<char> text)
    {
        var pieces = new List<(int Offset, int Length)>();
        for (var offset = 0; offset < text.Length;)
        {
            var length = FirstPieceLength(text[offset..]);
            pieces.Add((offset, length));
            offset += length;
        }

        return pieces;
    }

    /// <summary>UTF-16 length of the piece at the start of a text that is not empty.</summary>
    public static int FirstPieceLength(ReadOnlySpan<char> text)
    {
        if (text[0] == '\'' && ContractionLength(text) is var contraction and > 0)
        {
            return contraction;
        }

        var runClass = Classify(text, 0, out var length);
        if (runClass != CharacterClass.WhiteSpace)
        {
            return RunEnd(text, length, runClass);
        }

        if (text[0] == ' ' && text.Length > 1)
        {
            runClass = Classify(text, 1, out length);
            if (runClass != CharacterClass.WhiteSpace)
            {
                return RunEnd(text, 1 + length, runClass);
            }
        }

        // The last blank of a run goes to the word that follows it. White space is never above U+FFFF.
        var end = RunEnd(text, 1, CharacterClass.WhiteSpace);
        return end == text.Length || end == 1 ? end : end - 1;
    }

    private static IEnumerable<(int Offset, int Length)> Pieces(string text)
    {
        for (var offset = 0; offset < text.Length;)
        {
            var length = FirstPieceLength(text.AsSpan(offset));
            yield return (offset, length);
            offset += length;
        }
    }

    private static int ContractionLength(ReadOnlySpan<char> text)
    {
        if (text.Length < 2)
        {
            return 0;
        }

        return text[1] switch
        {
            's' or 't' or 'm' or 'd' => 2,
            'r' or 'v' when text.Length > 2 && text[2] == 'e' => 3,
            'l' when text.Length > 2 && text[2] == 'l' => 3,
            _ => 0,
        };
    }

    private static int RunEnd(ReadOnlySpan<char> text, int index, CharacterClass runClass)
    {
        while (index < text.Length && Classify(text, index, out var length) == runClass)
        {
            index += length;
        }

        return index;
    }

    private static CharacterClass Classify(ReadOnlySpan<char> text, int index, out int length)
    {
        var unit = text[index];
        length = 1;
        if (char.IsAscii(unit))
        {
            return char.IsAsciiLetter(unit) ? CharacterClass.Letter
                : char.IsAsciiDigit(unit) ? CharacterClass.Number
                : char.IsWhiteSpace(unit) ? CharacterClass.WhiteSpace
                : CharacterClass.Other;
        }

        if (char.IsHighSurrogate(unit) && index + 1 < text.Length && char.IsLowSurrogate(text[index + 1]))
        {
            length = 2;
            return Classify(CharUnicodeInfo.GetUnicodeCategory(char.ConvertToUtf32(unit, text[index + 1])));
        }

        return char.IsWhiteSpace(unit) ? CharacterClass.WhiteSpace : Classify(CharUnicodeInfo.GetUnicodeCategory(unit));
    }

    private static CharacterClass Classify(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
            or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => CharacterClass.Letter,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => CharacterClass.Number,
        _ => CharacterClass.Other,
    };
}
