namespace Parquet;

/// <summary>
/// What is wrong with some bytes, without saying where; the caller that knows the place turns it into a <see cref="ParquetException"/>.
/// </summary>
internal sealed class DecodeException : Exception
{
    public DecodeException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }

    /// <summary>The bytes ended too early and are right as far as they go, so more of them may help.</summary>
    public bool NeedsMoreData { get; init; }
}
