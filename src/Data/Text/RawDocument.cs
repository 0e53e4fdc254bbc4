namespace KvShiftScale.Data.Text;

/// <summary>A document as its file holds it: what is left to do, such as parsing a line of JSON, can be done on another thread.</summary>
internal sealed class RawDocument
{
    private readonly byte[] _content;

    public RawDocument(string source, long index, byte[] content, long jsonLine = 0)
    {
        Source = source;
        Index = index;
        _content = content;
        JsonLine = jsonLine;
    }

    /// <summary>Path of the file it comes from.</summary>
    public string Source { get; }

    /// <summary>Its place among the documents of that file, from 0.</summary>
    public long Index { get; }

    /// <summary>Number of its line in a file of JSON lines, from 1; 0 where the content is the text itself.</summary>
    public long JsonLine { get; }

    /// <summary>Bytes as stored.</summary>
    public int ByteCount => _content.Length;

    /// <summary>The text.</summary>
    /// <param name="field">Field of a JSON line that holds the text.</param>
    /// <exception cref="UnusableLineException">The line is not JSON, or lacks the field.</exception>
    public DocumentText Read(string field) => JsonLine == 0 ? DocumentText.Of(_content) : JsonLineText.Read(_content, field, Source, JsonLine);
}
