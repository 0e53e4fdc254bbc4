using System.Text;

namespace Microsoft.ML.Tokenizers;

/// <summary>
/// The one-to-one map between bytes and printable characters in which byte-level vocabularies are written. Bytes 33 to 126, 161 to 172
/// and 174 to 255 stand for themselves; the other 68, in order, become U+0100, U+0101 and so on.
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] s_characters = Characters();
    private static readonly short[] s_bytes = Bytes(s_characters);

    public static char Character(byte value) => s_characters[value];

    /// <summary>The bytes that a vocabulary string spells; its own UTF-8 where it has a character outside the alphabet.</summary>
    public static byte[] Decode(string token)
    {
        var bytes = new byte[token.Length];
        for (var i = 0; i < bytes.Length; i++)
        {
            var value = token[i] < s_bytes.Length ? s_bytes[token[i]] : (short)-1;
            if (value < 0)
            {
                return Encoding.UTF8.GetBytes(token);
            }

            bytes[i] = (byte)value;
        }

        return bytes;
    }

    private static char[] Characters()
    {
        var characters = new char[256];
        var next = '\u0100';
        for (var value = 0; value < 256; value++)
        {
            var printable = value is (>= 33 and <= 126) or (>= 161 and <= 172) or >= 174;
            characters[value] = printable ? (char)value : next++;
        }

        return characters;
    }

    private static short[] Bytes(char[] characters)
    {
        var bytes = new short[characters.Max() + 1];
        Array.Fill(bytes, (short)-1);
        for (var value = 0; value < characters.Length; value++)
        {
            bytes[characters[value]] = (short)value;
        }

        return bytes;
    }
}
