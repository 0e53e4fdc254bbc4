namespace KvShiftScale.Data.Tokenization.Splitting;

/// <summary>
/// Splits as GPT-2's published expression does:
/// <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c>.
/// </summary>
/// <remarks>
/// Written out for speed, and because .NET's expressions classify UTF-16 units: letters and digits above U+FFFF would be neither there.
/// </remarks>
internal sealed class Gpt2Scanner : PieceScanner
{
    public static Gpt2Scanner Instance { get; } = new();

    public override int PieceEnd(ReadOnlySpan<byte> text, int start)
    {
        if (text[start] == '\'' && ContractionLength(text[start..]) is var contraction and > 0)
        {
            return start + contraction;
        }

        var runClass = CharacterClasses.At(text, start, out var length);
        if (runClass == CharacterClass.WhiteSpace)
        {
            var next = start + 1;
            if (text[start] != ' ' || next == text.Length
                || (runClass = CharacterClasses.At(text, next, out var nextLength)) == CharacterClass.WhiteSpace)
            {
                return WhiteSpaceEnd(text, start, CharacterClasses.RunEnd(text, start + length, CharacterClass.WhiteSpace));
            }

            length += nextLength;
        }

        return CharacterClasses.RunEnd(text, start + length, runClass);
    }

    private static int ContractionLength(ReadOnlySpan<byte> text)
    {
        if (text.Length < 2)
        {
            return 0;
        }

        return text[1] switch
        {
            (byte)'s' or (byte)'t' or (byte)'m' or (byte)'d' => 2,
            (byte)'r' or (byte)'v' when text.Length > 2 && text[2] == 'e' => 3,
            (byte)'l' when text.Length > 2 && text[2] == 'l' => 3,
            _ => 0,
        };
    }
}
