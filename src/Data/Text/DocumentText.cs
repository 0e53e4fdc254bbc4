namespace KvShiftScale.Data.Text;

/// <summary>What a document's place in a file came to: a text, or why there is none.</summary>
internal readonly ref struct DocumentText
{
    /// <summary>The text in UTF-8; it may hold sequences that are broken, which readers take for U+FFFD.</summary>
    public ReadOnlySpan<byte> Utf8 { get; private init; }

    /// <summary>How many U+FFFD stand in the text for what is broken in the file: parts of characters, and halves of surrogate pairs.</summary>
    public long ReplacedSequences { get; private init; }

    /// <summary>Why there is no document here, such as a null in the place of the text; null where there is one.</summary>
    public string? Absence { get; private init; }

    /// <summary>What is wrong with the line of JSON; null where it is as it should be.</summary>
    public string? Fault { get; private init; }

    /// <summary>A text that may have broken sequences.</summary>
    public static DocumentText Of(ReadOnlySpan<byte> utf8) => Of(utf8, BrokenUtf8.Count(utf8));

    /// <summary>A text in which a number of broken places are, or have been replaced.</summary>
    public static DocumentText Of(ReadOnlySpan<byte> utf8, long replacedSequences) => new() { Utf8 = utf8, ReplacedSequences = replacedSequences };

    /// <summary>No document, and nothing wrong.</summary>
    public static DocumentText None(string absence) => new() { Absence = absence };

    /// <summary>No document, for a fault.</summary>
    public static DocumentText Bad(string fault) => new() { Fault = fault };
}
