using System.Text;
using KvShiftScale.Data.Tokenization.Splitting;
using KvShiftScale.Data.Tokenization.Vocabulary;

namespace KvShiftScale.Data.Tokenization.Merging;

/// <summary>The ids that the text of a piece begins as, before any merge.</summary>
internal sealed class SymbolTable
{
    private readonly int[] _bytes = new int[256];

    /// <summary>By character, where characters are symbols: ASCII, -1 where the vocabulary lacks it.</summary>
    private readonly int[]? _ascii;

    private readonly Dictionary<int, int>? _characters;

    /// <exception cref="InvalidDataException">The vocabulary lacks a byte that UTF-8 can hold.</exception>
    public SymbolTable(TokenizerDescription description)
    {
        var byCharacter = description.Symbols == SymbolKind.CharactersOrBytes;
        for (var value = 0; value < 256; value++)
        {
            var token = byCharacter ? ByteToken((byte)value) : ByteAlphabet.Character((byte)value).ToString();
            if (description.Vocabulary.TryGetValue(token, out var id))
            {
                _bytes[value] = id;
            }
            // C0, C1 and F5 to FF stand nowhere in UTF-8, and vocabularies trained on text may lack them.
            else if (value is not (0xC0 or 0xC1 or >= 0xF5))
            {
                throw new InvalidDataException(byCharacter
                    ? $"{description.Source}: the vocabulary has no token '{token}'; byte fallback needs one for each byte of UTF-8, or text is lost."
                    : $"{description.Source}: the vocabulary has no token '{token}' for byte 0x{value:X2}; byte-level BPE needs one for each "
                        + "byte of UTF-8, or text is lost.");
            }
        }

        if (!byCharacter)
        {
            return;
        }

        _ascii = new int[128];
        Array.Fill(_ascii, -1);
        _characters = [];
        foreach (var (token, id) in description.Vocabulary)
        {
            if (Rune.DecodeFromUtf16(token, out var rune, out var length) == System.Buffers.OperationStatus.Done && length == token.Length)
            {
                _characters[rune.Value] = id;
                if (rune.IsAscii)
                {
                    _ascii[rune.Value] = id;
                }
            }
        }
    }

    /// <summary>How vocabularies with byte fallback spell a byte.</summary>
    public static string ByteToken(byte value) => $"<0x{value:X2}>";

    /// <summary>The byte that a token spells, or null.</summary>
    public static byte? ByteOf(string token)
        => token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>'
            && byte.TryParse(token.AsSpan(3, 2), System.Globalization.NumberStyles.AllowHexSpecifier, null, out var value)
            && ByteToken(value) == token
            ? value
            : null;

    /// <returns>How many symbols the piece has: at most its bytes.</returns>
    public int Fill(ReadOnlySpan<byte> piece, Span<int> symbols)
    {
        if (_characters is null)
        {
            for (var i = 0; i < piece.Length; i++)
            {
                symbols[i] = _bytes[piece[i]];
            }

            return piece.Length;
        }

        var count = 0;
        for (var index = 0; index < piece.Length;)
        {
            var codePoint = CharacterClasses.CodePointAt(piece, index, out var length);
            var id = -1;
            if (length == 1)
            {
                id = _ascii![codePoint];
            }
            else if (_characters.TryGetValue(codePoint, out var found))
            {
                id = found;
            }

            if (id >= 0)
            {
                symbols[count++] = id;
            }
            else
            {
                for (var i = 0; i < length; i++)
                {
                    symbols[count++] = _bytes[piece[index + i]];
                }
            }

            index += length;
        }

        return count;
    }
}
