using KvShiftScale.Data.Text;

namespace KvShiftScale.Data.Preparation;

/// <summary>How text becomes shards.</summary>
public sealed record PreparationOptions
{
    /// <summary>Field of JSON lines that holds the text.</summary>
    public string Field { get; init; } = TextDocuments.DefaultField;

    /// <summary>Ends every document, also an empty one, with the tokenizer's end-of-text id.</summary>
    public bool AppendEndOfText { get; init; } = true;

    /// <summary>Tokens after which the next document opens another shard.</summary>
    public long ShardTokens { get; init; } = 64L << 20;

    /// <summary>Where the tokenizer was read from: its own files are no text. Null where it was not read from a file.</summary>
    public string? TokenizerPath { get; init; }

    /// <summary>Threads that tokenize. The result does not depend on it.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount;

    /// <summary>Stored bytes after which a portion of documents goes to a worker: milliseconds of work, so that handing over costs nothing.</summary>
    internal int PortionBytes { get; init; } = 1 << 18;
}
