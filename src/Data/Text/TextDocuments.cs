using System.Text;
using System.Text.Json;
using System.Xml;

namespace KvShiftScale.Data.Text;

/// <summary>
/// Reads documents from files: <c>.txt</c>, <c>.md</c> and <c>.xml</c> hold one each, <c>.jsonl</c> one a line, and .NET API documentation
/// (an <c>.xml</c> file with members under the root <c>doc</c>) one a member. Each may be compressed, with <c>.gz</c> after its name.
/// </summary>
/// <remarks>
/// Files come in the order of the patterns, those of one pattern in ordinal order of their paths, a file that several patterns match only
/// once. Text is UTF-8 (or UTF-16 with a byte order mark); bytes that are not become U+FFFD.
/// </remarks>
public static class TextDocuments
{
    /// <summary>The field of a JSON line that holds the text, unless another is named.</summary>
    public const string DefaultField = "text";

    private const string CompressedSuffix = ".gz";

    /// <summary>The documents of all files that the patterns match. Patterns are resolved at once, files opened one by one.</summary>
    /// <param name="globs">Patterns as <see cref="FileGlob"/> reads them.</param>
    /// <param name="field">Field of a JSON line that holds the text.</param>
    /// <exception cref="FileNotFoundException">A pattern matches no file.</exception>
    /// <exception cref="InvalidDataException">A file is of an unknown kind or damaged, or a JSON line lacks the field.</exception>
    public static IEnumerable<TextDocument> Read(IEnumerable<string> globs, string field = DefaultField)
    {
        ArgumentException.ThrowIfNullOrEmpty(field);
        return Documents(Files(globs), field);
    }

    /// <summary>The files that the patterns match, in reading order.</summary>
    /// <inheritdoc cref="Read(IEnumerable{string}, string)"/>
    public static IReadOnlyList<string> Files(IEnumerable<string> globs)
    {
        ArgumentNullException.ThrowIfNull(globs);
        var files = new List<string>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var glob in globs)
        {
            var (folder, matches) = FileGlob.Expand(glob);
            if (matches.Count == 0)
            {
                throw NoMatch(glob, folder);
            }

            foreach (var match in matches)
            {
                var path = Path.Combine(folder, match);
                if (Kind(path) is null)
                {
                    throw new InvalidDataException(
                        $"{path}: found by '{glob}', but of no known kind; expected .txt, .md, .xml or .jsonl, each also with .gz. "
                        + "Narrow the pattern to such files.");
                }

                if (seen.Add(path))
                {
                    files.Add(path);
                }
            }
        }

        return files;
    }

    private static FileNotFoundException NoMatch(string glob, string folder)
    {
        var reason = Directory.Exists(Path.GetFullPath(glob)) ? $"it is a folder; for all files in it write '{glob.TrimEnd('/')}/**/*'"
            : Directory.Exists(folder) ? $"no such file in {folder}"
            : $"the folder {folder} does not exist";
        return new FileNotFoundException($"'{glob}' matches no file: {reason}.", glob);
    }

    private static IEnumerable<TextDocument> Documents(IReadOnlyList<string> files, string field)
    {
        foreach (var file in files)
        {
            var index = 0L;
            foreach (var text in Texts(file, field))
            {
                yield return new TextDocument(file, index++, text);
            }
        }
    }

    /// <summary>The extension without <c>.gz</c>, or null when the file is of no known kind.</summary>
    private static string? Kind(string path)
    {
        var name = path.EndsWith(CompressedSuffix, StringComparison.OrdinalIgnoreCase) ? path[..^CompressedSuffix.Length] : path;
        var extension = Path.GetExtension(name).ToLowerInvariant();
        return extension is ".txt" or ".md" or ".xml" or ".jsonl" ? extension : null;
    }

    private static IEnumerable<string> Texts(string path, string field) => Kind(path) switch
    {
        ".jsonl" => JsonLines(path, field),
        ".xml" when IsDocumentation(path) => DocumentationMembers(path),
        _ => WholeFile(path),
    };

    private static IEnumerable<string> WholeFile(string path)
    {
        using var reader = Open(path);
        yield return Guarded(path, reader.ReadToEnd);
    }

    private static IEnumerable<string> JsonLines(string path, string field)
    {
        using var reader = Open(path);
        for (var line = 1L; Guarded(path, reader.ReadLine) is { } json; line++)
        {
            if (!string.IsNullOrWhiteSpace(json))
            {
                yield return JsonText(path, line, json, field);
            }
        }
    }

    private static string JsonText(string path, long line, string json, string field)
    {
        var place = FormattableString.Invariant($"{path}, line {line}");
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
            {
                throw new InvalidDataException($"{place}: found {root.ValueKind}, expected an object with the text in '{field}'.");
            }

            if (!root.TryGetProperty(field, out var text))
            {
                var names = string.Join(", ", root.EnumerateObject().Select(property => $"'{property.Name}'"));
                throw new InvalidDataException(
                    $"{place}: no field '{field}'; found {(names.Length > 0 ? names : "an empty object")}. "
                    + "Name the field that holds the text.");
            }

            return text.ValueKind == JsonValueKind.String
                ? text.GetString()!
                : throw new InvalidDataException($"{place}: field '{field}' is {text.ValueKind}, expected a string.");
        }
        // InvalidOperationException: a string with half a surrogate pair.
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException(
                $"{place}: not a line of JSON; expected one object a line with the text in '{field}'. {error.Message}", error);
        }
    }

    private static bool IsDocumentation(string path)
    {
        using var reader = Open(path);
        return Guarded(path, () => XmlDocumentationText.IsDocumentation(reader));
    }

    private static IEnumerable<string> DocumentationMembers(string path)
    {
        using var reader = Open(path);
        using var members = XmlDocumentationText.Read(reader).GetEnumerator();
        while (Guarded(path, members.MoveNext))
        {
            yield return members.Current;
        }
    }

    private static StreamReader Open(string path)
    {
        Stream stream = File.OpenRead(path);
        if (path.EndsWith(CompressedSuffix, StringComparison.OrdinalIgnoreCase))
        {
            stream = new CompleteGZipStream(stream);
        }

        return new StreamReader(stream, Encoding.UTF8);
    }

    /// <summary>Names the file where it turns out damaged.</summary>
    private static T Guarded<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception error) when (error is InvalidDataException or XmlException)
        {
            throw new InvalidDataException($"{path}: damaged. {error.Message}", error);
        }
    }
}
