namespace KvShiftScale.Data.Tokenization.Splitting;

/// <summary>A splitter that finds one piece after the other, each from its beginning alone. Cuts only where a character begins.</summary>
internal abstract class PieceScanner : PieceSplitter
{
    /// <summary>Where the piece that begins at an offset ends.</summary>
    /// <param name="text">Well-formed UTF-8.</param>
    /// <param name="start">Less than the length of the text.</param>
    public abstract int PieceEnd(ReadOnlySpan<byte> text, int start);

    public override void Split(ReadOnlySpan<byte> text, List<int> ends, int offset)
    {
        for (var start = 0; start < text.Length;)
        {
            start = PieceEnd(text, start);
            ends.Add(offset + start);
        }
    }

    /// <summary>
    /// The end of <c>\s+(?!\S)|\s+</c>: white space up to the end of the text; else all but the last character, which goes to the word
    /// after it; else that one character.
    /// </summary>
    protected static int WhiteSpaceEnd(ReadOnlySpan<byte> text, int start, int runEnd)
    {
        if (runEnd == text.Length)
        {
            return runEnd;
        }

        var last = runEnd - 1;
        while ((text[last] & 0xC0) == 0x80)
        {
            last--;
        }

        return last > start ? last : runEnd;
    }
}
