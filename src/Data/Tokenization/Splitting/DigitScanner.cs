namespace KvShiftScale.Data.Tokenization.Splitting;

/// <summary>Parts digits (<c>\p{N}</c>) from everything else: each alone, or a whole run of them together.</summary>
internal sealed class DigitScanner(bool eachAlone) : PieceScanner
{
    public override int PieceEnd(ReadOnlySpan<byte> text, int start)
    {
        if (CharacterClasses.At(text, start, out var length) == CharacterClass.Number)
        {
            return eachAlone ? start + length : CharacterClasses.RunEnd(text, start + length, CharacterClass.Number);
        }

        var index = start + length;
        while (index < text.Length && CharacterClasses.At(text, index, out length) != CharacterClass.Number)
        {
            index += length;
        }

        return index;
    }
}
