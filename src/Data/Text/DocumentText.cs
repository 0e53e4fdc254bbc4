namespace KvShiftScale.Data.Text;

/// <summary>The text of one document, as it was found.</summary>
internal readonly ref struct DocumentText
{
    private DocumentText(ReadOnlySpan<byte> utf8, long replacedSequences, string? absence)
    {
        Utf8 = utf8;
        ReplacedSequences = replacedSequences;
        Absence = absence;
    }

    /// <summary>The text in UTF-8; it may hold sequences that are broken, which readers take for U+FFFD.</summary>
    public ReadOnlySpan<byte> Utf8 { get; }

    /// <summary>How many U+FFFD stand in the text for what is broken in the file: parts of characters, and halves of surrogate pairs.</summary>
    public long ReplacedSequences { get; }

    /// <summary>Why there is no document here, such as a null in the place of the text; null where there is one.</summary>
    public string? Absence { get; }

    public static DocumentText Of(ReadOnlySpan<byte> utf8) => new(utf8, BrokenUtf8.Count(utf8), null);

    /// <summary>A text in which a number of broken places have been replaced.</summary>
    public static DocumentText Of(ReadOnlySpan<byte> utf8, long replacedSequences) => new(utf8, replacedSequences, null);

    public static DocumentText None(string absence) => new([], 0, absence);
}
