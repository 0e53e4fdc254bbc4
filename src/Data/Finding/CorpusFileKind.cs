namespace KvShiftScale.Data.Finding;

/// <summary>How a file of a corpus holds its documents.</summary>
public enum CorpusFileKind
{
    /// <summary>One document: all of its text.</summary>
    Whole,

    /// <summary>A JSON object a line.</summary>
    JsonLines,

    /// <summary>XML: a document a member where it is .NET API documentation, else one.</summary>
    Xml,

    /// <summary>Parquet: a document a row.</summary>
    Parquet,
}
