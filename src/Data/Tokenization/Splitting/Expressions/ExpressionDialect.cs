namespace KvShiftScale.Data.Tokenization.Splitting.Expressions;

/// <summary>Whose rules a split expression is written by.</summary>
internal enum ExpressionDialect
{
    /// <summary>That of <c>tokenizer.json</c>: Hugging Face's library gives it to Oniguruma, in that one's own syntax.</summary>
    Oniguruma,

    /// <summary>That of <c>.tiktoken</c> encodings: Rust's <c>fancy_regex</c>.</summary>
    Rust,
}
