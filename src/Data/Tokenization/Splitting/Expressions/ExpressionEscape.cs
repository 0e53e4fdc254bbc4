namespace KvShiftScale.Data.Tokenization.Splitting.Expressions;

/// <summary>Reads what stands behind a backslash, where it is a character or a set of them.</summary>
internal static class ExpressionEscape
{
    /// <summary>The character or the set; the backslash has been passed.</summary>
    /// <exception cref="FormatException">It is something else, or not known here.</exception>
    public static (int CodePoint, CodePointSet? Set) Read(ExpressionText text, ExpressionDialect dialect, bool inBrackets)
    {
        var start = text.At - 1;
        if (text.IsAtEnd)
        {
            throw text.Refused(start, "is a backslash with nothing behind it");
        }

        var letter = text.Next();
        switch (letter)
        {
            case 't':
                return ('\t', null);
            case 'n':
                return ('\n', null);
            case 'r':
                return ('\r', null);
            case 'f':
                return ('\f', null);
            case 'v':
                return ('\v', null);
            case 'a':
                return ('\a', null);
            case 'e':
                return (0x1B, null);
            case 'b' when inBrackets && dialect == ExpressionDialect.Oniguruma:
                return ('\b', null);
            case '0' when dialect == ExpressionDialect.Oniguruma && text.Peek() is not (>= '0' and <= '7'):
                return (0, null);
            case 'x' or 'u':
                return (ReadNumber(text, dialect, start, letter), null);
            case 'd':
                return (0, CharacterSets.Digits(dialect));
            case 'D':
                return (0, CharacterSets.Digits(dialect).Not());
            case 's':
                return (0, CharacterSets.WhiteSpace);
            case 'S':
                return (0, CharacterSets.WhiteSpace.Not());
            case 'w':
                return (0, CharacterSets.Words(dialect, inBrackets));
            case 'W':
                return (0, CharacterSets.Words(dialect, inBrackets).Not());
            case 'h':
                return (0, CharacterSets.HexDigits);
            case 'H':
                return (0, CharacterSets.HexDigits.Not());
            case 'p' or 'P':
                return (0, ReadProperty(text, dialect, start, inBrackets, letter == 'P'));
            case < 0x80 when char.IsAsciiLetterOrDigit((char)letter):
                throw text.Refused(start, "is not known here");
            default:
                return (letter, null);
        }
    }

    private static int ReadNumber(ExpressionText text, ExpressionDialect dialect, int start, int letter)
    {
        int? number;
        if ((letter == 'x' || dialect == ExpressionDialect.Rust) && text.TryTake("{"))
        {
            number = text.TakeHex(1, 6);
            if (!text.TryTake("}"))
            {
                number = null;
            }
        }
        else
        {
            number = letter == 'x' ? text.TakeHex(2, 2) : text.TakeHex(4, 4);
            // Two digits are a byte in Oniguruma, which from 80 on is a part of a character.
            if (letter == 'x' && dialect == ExpressionDialect.Oniguruma && number >= 0x80)
            {
                number = null;
            }
        }

        return number is { } value and < 0x110000 and not (>= 0xD800 and < 0xE000)
            ? value
            : throw text.Refused(start, @"is no character; expected \xHH below 80, \x{H...} or \uHHHH");
    }

    private static CodePointSet ReadProperty(ExpressionText text, ExpressionDialect dialect, int start, bool inBrackets, bool isNegated)
    {
        string? name;
        if (text.TryTake("{"))
        {
            isNegated ^= dialect == ExpressionDialect.Oniguruma && text.TryTake("^");
            name = text.TakeUntil('}');
        }
        else
        {
            name = dialect == ExpressionDialect.Rust && !text.IsAtEnd ? ((char)text.Next()).ToString() : null;
        }

        if (name is null || CharacterSets.Property(name, dialect, inBrackets) is not { } set)
        {
            throw text.Refused(start, "is no property that is known here; known are general categories, scripts, Alphabetic, Uppercase, "
                + "Lowercase, White_Space, Emoji, Emoji_Presentation, Extended_Pictographic and Ideographic");
        }

        return isNegated ? set.Not() : set;
    }
}
