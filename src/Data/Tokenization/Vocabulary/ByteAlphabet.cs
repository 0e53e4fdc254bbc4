namespace KvShiftScale.Data.Tokenization.Vocabulary;

/// <summary>
/// The printable characters in which byte-level vocabularies spell bytes (GPT-2's choice, used by every Hugging Face file of this kind).
/// Symbol ids follow the order of those characters: first the 188 bytes that stand for themselves (33 to 126, 161 to 172, 174 to 255),
/// then the other 68, spelled U+0100 onwards.
/// </summary>
internal static class ByteAlphabet
{
    public const int Size = 256;

    private const int FirstRenamed = 188;

    private static readonly byte[] BytesInSymbolOrder =
        [.. Range(33, 126), .. Range(161, 172), .. Range(174, 255), .. Range(0, 32), .. Range(127, 160), 173];

    private static readonly int[] Symbols = Invert(BytesInSymbolOrder);

    /// <summary>Id of the byte's symbol, 0 to 255.</summary>
    public static int Symbol(byte value) => Symbols[value];

    /// <summary>The character that spells a byte.</summary>
    public static char Character(byte value) => Symbols[value] < FirstRenamed ? (char)value : (char)(0x100 + Symbols[value] - FirstRenamed);

    /// <summary>The character that spells the byte of a symbol id.</summary>
    public static char SymbolCharacter(int symbol) => Character(BytesInSymbolOrder[symbol]);

    /// <summary>The bytes that a vocabulary string spells.</summary>
    /// <returns>False when a character is outside the alphabet.</returns>
    public static bool TryDecode(string token, out byte[] bytes)
    {
        bytes = new byte[token.Length];
        for (var i = 0; i < bytes.Length; i++)
        {
            var symbol = token[i] - 0x100 + FirstRenamed;
            if (token[i] < 0x100 && Symbols[token[i]] < FirstRenamed)
            {
                bytes[i] = (byte)token[i];
            }
            else if (token[i] >= 0x100 && symbol < Size)
            {
                bytes[i] = BytesInSymbolOrder[symbol];
            }
            else
            {
                return false;
            }
        }

        return true;
    }

    private static IEnumerable<byte> Range(int first, int last)
    {
        for (var value = first; value <= last; value++)
        {
            yield return (byte)value;
        }
    }

    private static int[] Invert(byte[] order)
    {
        var symbols = new int[Size];
        for (var symbol = 0; symbol < Size; symbol++)
        {
            symbols[order[symbol]] = symbol;
        }

        return symbols;
    }
}
