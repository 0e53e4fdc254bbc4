using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace KvShiftScale.Data.Text;

/// <summary>The text in a line of JSON.</summary>
internal static class JsonLineText
{
    private const int ExcerptBytes = 80;

    private static readonly JsonReaderOptions Options = new() { MaxDepth = 1024 };

    /// <summary>
    /// The string in <paramref name="field"/> of the object that <paramref name="line"/> is, in UTF-8. Where the field stands twice, the last
    /// one counts. Broken UTF-8, and an escape for half of a surrogate pair, become U+FFFD.
    /// </summary>
    /// <exception cref="InvalidDataException">The line is not such an object; the message has the place and what was found.</exception>
    public static ReadOnlySpan<byte> Read(byte[] line, string field, string source, long number)
    {
        if (!Utf8.IsValid(line))
        {
            line = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(line));
        }

        try
        {
            return Find(line, field, source, number);
        }
        catch (JsonException error)
        {
            throw new InvalidDataException(
                $"{Place(source, number)}: found {Excerpt(line)}, which is not JSON ({WithoutLine(error.Message)}); expected one object a line with the "
                + $"text in '{field}'.", error);
        }
    }

    private static ReadOnlySpan<byte> Find(byte[] line, string field, string source, long number)
    {
        var reader = new Utf8JsonReader(line, Options);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            throw new InvalidDataException(
                $"{Place(source, number)}: found {NameOf(reader.TokenType)} ({Excerpt(line)}), expected an object with the text in '{field}'.");
        }

        ReadOnlySpan<byte> text = default;
        var isFound = false;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            var isField = reader.ValueTextEquals(field);
            reader.Read();
            if (isField)
            {
                if (reader.TokenType != JsonTokenType.String)
                {
                    throw new InvalidDataException($"{Place(source, number)}: field '{field}' is {NameOf(reader.TokenType)}, expected a string.");
                }

                text = reader.ValueIsEscaped ? Unescape(ref reader) : reader.ValueSpan;
                isFound = true;
            }

            reader.Skip();
        }

        // Whatever follows the object makes this throw.
        reader.Read();
        return isFound ? text : throw Missing(line, field, source, number);
    }

    private static byte[] Unescape(scoped ref Utf8JsonReader reader)
    {
        var unescaped = new byte[reader.ValueSpan.Length];
        try
        {
            return unescaped[..reader.CopyString(unescaped)];
        }
        catch (InvalidOperationException)
        {
            return WithHalvesReplaced(reader.ValueSpan);
        }
    }

    // The reader has found the escapes well-formed; some of them are halves of surrogate pairs.
    private static byte[] WithHalvesReplaced(ReadOnlySpan<byte> escaped)
    {
        var text = new StringBuilder(escaped.Length);
        while (!escaped.IsEmpty)
        {
            var next = escaped.IndexOf((byte)'\\');
            text.Append(Encoding.UTF8.GetString(next < 0 ? escaped : escaped[..next]));
            if (next < 0)
            {
                break;
            }

            escaped = escaped[next..];
            var length = escaped[1] == 'u' ? 6 : 2;
            text.Append(escaped[1] switch
            {
                (byte)'u' => (char)ushort.Parse(escaped[2..6], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture),
                (byte)'b' => '\b',
                (byte)'f' => '\f',
                (byte)'n' => '\n',
                (byte)'r' => '\r',
                (byte)'t' => '\t',
                var other => (char)other,
            });
            escaped = escaped[length..];
        }

        return Encoding.UTF8.GetBytes(text.ToString());
    }

    private static InvalidDataException Missing(byte[] line, string field, string source, long number)
    {
        using var document = JsonDocument.Parse(line, new JsonDocumentOptions { MaxDepth = Options.MaxDepth });
        var names = string.Join(", ", document.RootElement.EnumerateObject().Select(property => $"'{property.Name}'"));
        return new InvalidDataException(
            $"{Place(source, number)}: no field '{field}'; found {(names.Length > 0 ? names : "an empty object")}. Name the field that holds the text.");
    }

    private static string Place(string source, long number) => FormattableString.Invariant($"{source}, line {number}");

    private static string Excerpt(ReadOnlySpan<byte> line)
        => line.Length <= ExcerptBytes ? $"'{Encoding.UTF8.GetString(line)}'" : $"'{Encoding.UTF8.GetString(line[..ExcerptBytes])}...'";

    private static string NameOf(JsonTokenType token) => token switch
    {
        JsonTokenType.StartArray => "an array",
        JsonTokenType.StartObject => "an object",
        JsonTokenType.String => "a string",
        JsonTokenType.Number => "a number",
        JsonTokenType.Null => "null",
        _ => "true or false",
    };

    // The reader counts lines within the line.
    private static string WithoutLine(string message)
        => message.IndexOf(" LineNumber:", StringComparison.Ordinal) is var at and > 0 ? message[..at] : message;
}
