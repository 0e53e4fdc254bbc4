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

    /// <summary>Why a row of a Parquet file has no text; null where there is one.</summary>
    public string? Absence { get; init; }

    /// <summary>Bytes as stored.</summary>
    public int ByteCount => _content.Length;

    /// <summary>The text; or why no document is made of it.</summary>
    /// <param name="field">Field of a JSON line that holds the text.</param>
    /// <param name="skipsBadLines">A line that is not JSON, or lacks the field, is none; else it is a fault.</param>
    /// <param name="leftOut">Set where no document is made of it.</param>
    /// <exception cref="InvalidDataException">The line is not JSON, or lacks the field.</exception>
    public DocumentText Read(string field, bool skipsBadLines, out LeftOutLine? leftOut)
    {
        var text = Absence is not null ? DocumentText.None(Absence)
            : JsonLine == 0 ? DocumentText.Of(_content)
            : JsonLineText.Read(_content, field);
        leftOut = (text.Fault ?? text.Absence) is { } reason
            ? new LeftOutLine(Source, Absence is null ? JsonLine : Index, reason) { IsRow = Absence is not null } : null;
        return text.Fault is null || skipsBadLines ? text : throw new InvalidDataException(leftOut!.ToString());
    }
}
