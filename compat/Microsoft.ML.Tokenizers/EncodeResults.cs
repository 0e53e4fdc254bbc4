namespace Microsoft.ML.Tokenizers;

/// <summary>What one encoding produced.</summary>
/// <typeparam name="T"><see cref="int"/> for ids, <see cref="EncodedToken"/> for tokens with their place in the text.</typeparam>
public struct EncodeResults<T>
{
    /// <summary>The tokens, in text order.</summary>
    public IReadOnlyList<T> Tokens { get; set; }

    /// <summary>The text after normalization; null when nothing was normalized.</summary>
    public string? NormalizedText { get; set; }

    /// <summary>UTF-16 units of the normalized text that <see cref="Tokens"/> stand for.</summary>
    public int CharsConsumed { get; set; }
}
