using System.Globalization;
using System.Text;
using System.Text.Json;

namespace KvShiftScale.Data.Text;

/// <summary>The text in a line of JSON.</summary>
internal static class JsonLineText
{
    private const int ExcerptBytes = 80;

    private static readonly JsonReaderOptions Options = new() { MaxDepth = 1024 };

    /// <summary>
    /// The string in <paramref name="field"/> of the object that <paramref name="line"/> is, in UTF-8. Where the field stands twice, the last
    /// one counts; null there is no document. Broken UTF-8, and an escape for half of a surrogate pair, become U+FFFD. NaN and Infinity, which
    /// are no JSON but which Python writes, are passed over like numbers.
    /// </summary>
    /// <returns>The text; or that there is none; or what was found in place of such an object.</returns>
    public static DocumentText Read(byte[] line, string field)
    {
        try
        {
            return Find(line, field);
        }
        catch (JsonException error) when (WithZerosForNonFinite(line) is null)
        {
            return NotJson(line, field, error);
        }
        catch (JsonException)
        {
            // It may be JSON but for them.
        }

        try
        {
            return Find(WithZerosForNonFinite(line)!, field);
        }
        catch (JsonException error)
        {
            return NotJson(line, field, error);
        }
    }

    private static DocumentText NotJson(byte[] line, string field, JsonException error) => DocumentText.Bad(
        $"found {Excerpt(line)}, which is not JSON ({WithoutLine(error.Message)}); expected one object a line with the text in '{field}'.");

    private static DocumentText Find(byte[] line, string field)
    {
        // The reader does not look into strings, so that they may hold broken sequences.
        var reader = new Utf8JsonReader(line, Options);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            return DocumentText.Bad($"found {NameOf(reader.TokenType)} ({Excerpt(line)}), expected an object with the text in '{field}'.");
        }

        DocumentText text = default;
        var isFound = false;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            var isField = reader.ValueIsEscaped ? Encoding.UTF8.GetString(Unescape(ref reader).Utf8) == field : reader.ValueTextEquals(field);
            reader.Read();
            if (isField)
            {
                text = reader.TokenType switch
                {
                    JsonTokenType.String => reader.ValueIsEscaped ? Unescape(ref reader) : DocumentText.Of(reader.ValueSpan),
                    JsonTokenType.Null => DocumentText.None($"field '{field}' is null"),
                    var other => DocumentText.Bad($"field '{field}' is {NameOf(other)}, expected a string."),
                };
                isFound = true;
            }

            reader.Skip();
        }

        // Whatever follows the object makes this throw.
        reader.Read();
        return isFound ? text : DocumentText.Bad($"no field '{field}'; found {Names(line)}. Name the field that holds the text.");
    }

    private static DocumentText Unescape(scoped ref Utf8JsonReader reader)
    {
        var value = reader.ValueSpan;
        var broken = BrokenUtf8.Count(value);
        if (broken == 0)
        {
            var unescaped = new byte[value.Length];
            try
            {
                return DocumentText.Of(unescaped.AsSpan(0, reader.CopyString(unescaped)), 0);
            }
            catch (InvalidOperationException)
            {
                // Half of a surrogate pair.
            }
        }

        var (text, halves) = WithHalvesReplaced(broken == 0 ? value : BrokenUtf8.Replace(value));
        return DocumentText.Of(text, broken + halves);
    }

    // The reader has found the escapes well-formed; some of them may be halves of surrogate pairs.
    private static (byte[] Utf8, long Halves) WithHalvesReplaced(ReadOnlySpan<byte> escaped)
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

        var halves = 0L;
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                i++;
            }
            else if (char.IsSurrogate(text[i]))
            {
                halves++;
            }
        }

        return (Encoding.UTF8.GetBytes(text.ToString()), halves);
    }

    /// <summary>The line with a zero and blanks in the place of each NaN and Infinity outside of strings; null where there is none.</summary>
    private static byte[]? WithZerosForNonFinite(ReadOnlySpan<byte> line)
    {
        byte[]? replaced = null;
        var isString = false;
        for (var i = 0; i < line.Length; i++)
        {
            if (line[i] == '"')
            {
                isString = !isString;
            }
            else if (isString)
            {
                i += line[i] == '\\' ? 1 : 0;
            }
            else if (NonFiniteLength(line[i..]) is var length and > 0)
            {
                replaced ??= line.ToArray();
                replaced.AsSpan(i, length).Fill((byte)' ');
                replaced[i] = (byte)'0';
                i += length - 1;
            }
        }

        return replaced;
    }

    private static int NonFiniteLength(ReadOnlySpan<byte> text)
        => text.StartsWith("NaN"u8) ? 3 : text.StartsWith("Infinity"u8) ? 8 : text.StartsWith("-Infinity"u8) ? 9 : 0;

    private static string Names(byte[] line)
    {
        var reader = new Utf8JsonReader(line, Options);
        reader.Read();
        var names = new List<string>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            names.Add($"'{Encoding.UTF8.GetString(reader.ValueIsEscaped ? Unescape(ref reader).Utf8 : reader.ValueSpan)}'");
            reader.Read();
            reader.Skip();
        }

        return names.Count > 0 ? string.Join(", ", names) : "an empty object";
    }

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
