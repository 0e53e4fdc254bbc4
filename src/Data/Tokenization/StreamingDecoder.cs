using System.Text;

namespace KvShiftScale.Data.Tokenization;

/// <summary>
/// Decodes ids one at a time, as they are generated. What <see cref="Append"/> returns, joined, and <see cref="Flush"/> after it are the
/// text that <see cref="TokenizerModel.Decode(IEnumerable{int})"/> gives for all ids at once; but a blank at their beginning stays, since
/// they continue a prompt.
/// </summary>
public sealed class StreamingDecoder(TokenizerModel tokenizer)
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();

    /// <summary>The text that this id completes; empty while a character still lacks bytes.</summary>
    public string Append(int id) => Convert(tokenizer.TokenBytes(id), flush: false);

    /// <summary>Ends the text: U+FFFD where it stops inside a character, else nothing. The next id begins a new text.</summary>
    public string Flush() => Convert([], flush: true);

    private string Convert(ReadOnlySpan<byte> bytes, bool flush)
    {
        var characters = new char[_decoder.GetCharCount(bytes, flush)];
        return new string(characters, 0, _decoder.GetChars(bytes, characters, flush));
    }
}
