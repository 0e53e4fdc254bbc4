using System.Globalization;
using System.Runtime.CompilerServices;

namespace KvShiftScale.Data.Tokenization.Splitting;

/// <summary>Classes of the code points of well-formed UTF-8. A code point above U+FFFF counts as one, as in Rust's expressions.</summary>
internal static class CharacterClasses
{
    /// <summary>By code point: 1.1 MB, of which a text touches a few pages.</summary>
    private static readonly byte[] Table = Build();

    /// <summary>The class of the code point at an index of the text, and its length in bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CharacterClass At(ReadOnlySpan<byte> text, int index, out int length)
    {
        var first = text[index];
        if (first < 0x80)
        {
            length = 1;
            return (CharacterClass)Table[first];
        }

        return (CharacterClass)Table[CodePointAt(text, index, out length)];
    }

    /// <summary>The code point at an index of the text where a character begins.</summary>
    public static int CodePointAt(ReadOnlySpan<byte> text, int index, out int length)
    {
        var first = text[index];
        switch (first)
        {
            case < 0x80:
                length = 1;
                return first;
            case < 0xE0:
                length = 2;
                return ((first & 0x1F) << 6) | (text[index + 1] & 0x3F);
            case < 0xF0:
                length = 3;
                return ((first & 0x0F) << 12) | ((text[index + 1] & 0x3F) << 6) | (text[index + 2] & 0x3F);
            default:
                length = 4;
                return ((first & 0x07) << 18) | ((text[index + 1] & 0x3F) << 12) | ((text[index + 2] & 0x3F) << 6) | (text[index + 3] & 0x3F);
        }
    }

    /// <summary>Where the run of a class that goes on at an index ends.</summary>
    public static int RunEnd(ReadOnlySpan<byte> text, int index, CharacterClass runClass)
    {
        var table = Table;
        while ((uint)index < (uint)text.Length)
        {
            var first = text[index];
            if (first < 0x80)
            {
                if (table[first] != (byte)runClass)
                {
                    break;
                }

                index++;
                continue;
            }

            if (table[CodePointAt(text, index, out var length)] != (byte)runClass)
            {
                break;
            }

            index += length;
        }

        return index;
    }

    private static byte[] Build()
    {
        var table = new byte[0x110000];
        for (var codePoint = 0; codePoint < table.Length; codePoint++)
        {
            table[codePoint] = (byte)Classify(codePoint);
        }

        return table;
    }

    private static CharacterClass Classify(int codePoint)
    {
        if (codePoint <= char.MaxValue && char.IsWhiteSpace((char)codePoint))
        {
            return CharacterClass.WhiteSpace;
        }

        return CharUnicodeInfo.GetUnicodeCategory(codePoint) switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
                or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => CharacterClass.Letter,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => CharacterClass.Number,
            _ => CharacterClass.Other,
        };
    }
}
