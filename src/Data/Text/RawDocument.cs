using System.Text;

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

    /// <summary>The text in UTF-8; it may hold sequences that are broken, which readers take for U+FFFD.</summary>
    /// <param name="field">Field of a JSON line that holds the text.</param>
    /// <exception cref="InvalidDataException">The line is not JSON, or lacks the field.</exception>
    public ReadOnlySpan<byte> Utf8(string field) => JsonLine == 0 ? _content : JsonLineText.Read(_content, field, Source, JsonLine);

    /// <summary>The text; broken UTF-8 becomes U+FFFD.</summary>
    /// <inheritdoc cref="Utf8"/>
    public string Text(string field) => Encoding.UTF8.GetString(Utf8(field));
}
