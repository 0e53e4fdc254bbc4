namespace Microsoft.ML.Tokenizers;

/// <summary>Cuts a text into the pieces that are encoded one by one; no token crosses from one piece into the next.</summary>
public abstract class PreTokenizer
{
    /// <summary>The pieces in text order, as UTF-16 offset and length. Text outside every piece is not encoded.</summary>
    public abstract IEnumerable<(int Offset, int Length)> PreTokenize(string text);

    /// <inheritdoc cref="PreTokenize(string)"/>
    public abstract IEnumerable<(int Offset, int Length)> PreTokenize(ReadOnlySpan<char> text);
}
