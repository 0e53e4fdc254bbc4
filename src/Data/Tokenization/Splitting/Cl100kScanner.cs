namespace KvShiftScale.Data.Tokenization.Splitting;

/// <summary>
/// Splits as the expression of cl100k, Llama 3 and Qwen does:
/// <c>(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>,
/// where Qwen has <c>\p{N}</c> alone.
/// </summary>
/// <param name="longestNumber">Digits of the longest piece of digits: 3, or 1 for Qwen.</param>
internal sealed class Cl100kScanner(int longestNumber) : PieceScanner
{
    public override int PieceEnd(ReadOnlySpan<byte> text, int start)
    {
        var first = text[start];
        if (first == '\'' && ContractionLength(text[start..]) is var contraction and > 0)
        {
            return start + contraction;
        }

        var firstClass = CharacterClasses.At(text, start, out var length);
        var next = start + length;
        switch (firstClass)
        {
            case CharacterClass.Letter:
                return CharacterClasses.RunEnd(text, next, CharacterClass.Letter);
            case CharacterClass.Number:
                return NumberEnd(text, next);
        }

        // One character that is neither letter, digit nor line end may lead a word; only a blank may lead punctuation.
        if (next < text.Length && first is not ((byte)'\r' or (byte)'\n'))
        {
            var nextClass = CharacterClasses.At(text, next, out var nextLength);
            if (nextClass == CharacterClass.Letter)
            {
                return CharacterClasses.RunEnd(text, next + nextLength, CharacterClass.Letter);
            }

            if (nextClass == CharacterClass.Other && first == ' ')
            {
                return LineEndsEnd(text, CharacterClasses.RunEnd(text, next + nextLength, CharacterClass.Other));
            }
        }

        return firstClass == CharacterClass.Other
            ? LineEndsEnd(text, CharacterClasses.RunEnd(text, next, CharacterClass.Other))
            : BlankEnd(text, start, CharacterClasses.RunEnd(text, next, CharacterClass.WhiteSpace));
    }

    private int NumberEnd(ReadOnlySpan<byte> text, int index)
    {
        for (var digits = 1; digits < longestNumber && index < text.Length; digits++)
        {
            if (CharacterClasses.At(text, index, out var length) != CharacterClass.Number)
            {
                break;
            }

            index += length;
        }

        return index;
    }

    private static int LineEndsEnd(ReadOnlySpan<byte> text, int index)
    {
        while (index < text.Length && text[index] is (byte)'\r' or (byte)'\n')
        {
            index++;
        }

        return index;
    }

    /// <summary>White space up to its last line end; without one, as every such expression ends.</summary>
    private static int BlankEnd(ReadOnlySpan<byte> text, int start, int runEnd)
    {
        var lastLineEnd = text[start..runEnd].LastIndexOfAny((byte)'\r', (byte)'\n');
        return lastLineEnd >= 0 ? start + lastLineEnd + 1 : WhiteSpaceEnd(text, start, runEnd);
    }

    /// <summary>In any case; U+017F (C5 BF) is an s without regard to case.</summary>
    private static int ContractionLength(ReadOnlySpan<byte> text)
    {
        if (text.Length < 2)
        {
            return 0;
        }

        var third = text.Length > 2 ? text[2] | 0x20 : 0;
        return (text[1] | 0x20) switch
        {
            's' or 't' or 'm' or 'd' => 2,
            'r' or 'v' when third == 'e' => 3,
            'l' when third == 'l' => 3,
            _ when text[1] == 0xC5 && text.Length > 2 && text[2] == 0xBF => 3,
            _ => 0,
        };
    }
}
