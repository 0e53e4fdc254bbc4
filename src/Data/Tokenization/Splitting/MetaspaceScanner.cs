namespace KvShiftScale.Data.Tokenization.Splitting;

/// <summary>Begins a piece at each U+2581, the sign that SentencePiece writes for a blank.</summary>
/// <param name="keepRuns">True: a run of the sign stays together with the word after it.</param>
internal sealed class MetaspaceScanner(bool keepRuns) : PieceScanner
{
    public const char Sign = '\u2581';

    public static ReadOnlySpan<byte> SignUtf8 => [0xE2, 0x96, 0x81];

    public override int PieceEnd(ReadOnlySpan<byte> text, int start)
    {
        var index = start;
        while (text[index..].StartsWith(SignUtf8))
        {
            index += SignUtf8.Length;
            if (!keepRuns)
            {
                break;
            }
        }

        var next = text[index..].IndexOf(SignUtf8);
        return next < 0 ? text.Length : index + next;
    }
}
