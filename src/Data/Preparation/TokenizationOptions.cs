namespace KvShiftScale.Data;

/// <summary>How documents become ids.</summary>
public sealed record TokenizationOptions
{
    /// <summary>Ends every document, also an empty one, with the tokenizer's end-of-text id.</summary>
    public bool AppendEndOfText { get; init; } = true;

    /// <summary>Threads that tokenize. The result does not depend on it.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount;
}
