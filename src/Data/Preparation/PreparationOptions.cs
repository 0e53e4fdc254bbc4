using KvShiftScale.Data.Corpus;
using KvShiftScale.Data.Tokenization;

namespace KvShiftScale.Data.Preparation;

/// <summary>How text becomes shards.</summary>
public sealed record PreparationOptions
{
    /// <summary>Field of JSON lines that holds the text.</summary>
    public string Field { get; init; } = TextDocuments.DefaultField;

    /// <summary>Which files are taken, and as what.</summary>
    public CorpusSelection Selection { get; init; } = new();

    /// <summary>The part of the files that is prepared; null for all. Parts of one corpus share a folder, in which each has its own.</summary>
    public CorpusPart? Part { get; init; }

    /// <summary>Documents that are kept for validation, in a folder beside the others; null for none.</summary>
    public ValidationShare? Validation { get; init; }

    /// <summary>Ends every document, also an empty one, with the tokenizer's end-of-text id.</summary>
    public bool AppendEndOfText { get; init; } = true;

    /// <summary>The id that ends documents; null for the tokenizer's own.</summary>
    public int? EndOfTextId { get; init; }

    /// <summary>The id that begins every document; null for none.</summary>
    public int? BeginOfTextId { get; init; }

    /// <summary>What the spelling of a special token in a text is. As text, nobody who writes a document can end it or speak for another.</summary>
    public SpecialTokens SpecialTokens { get; init; } = SpecialTokens.AsText;

    /// <summary>Leaves out lines of JSON without a text in the field, and counts them, where they would otherwise end the work.</summary>
    public bool SkipsBadLines { get; init; }

    /// <summary>Tokens after which the next document opens another shard.</summary>
    public long ShardTokens { get; init; } = 64L << 20;

    /// <summary>Where the tokenizer was read from: its own files are no text. Null where it was not read from a file.</summary>
    public string? TokenizerPath { get; init; }

    /// <summary>Threads that tokenize. The result does not depend on it.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount;

    /// <summary>Stored bytes after which a portion of documents goes to a worker: milliseconds of work, so that handing over costs nothing.</summary>
    internal int PortionBytes { get; init; } = 1 << 18;

    /// <summary>The id that ends documents; null where none does.</summary>
    /// <exception cref="InvalidDataException">Documents are to end with the tokenizer's own id, and it has none.</exception>
    internal int? EndOfTextIdOf(TokenizerModel tokenizer) => !AppendEndOfText ? null
        : EndOfTextId ?? tokenizer.EndOfTextId ?? throw new InvalidDataException($"{tokenizer.EndOfTextMissing}. Name a token that ends documents, or none.");
}
