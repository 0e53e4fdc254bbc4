using KvShiftScale.Data.Text.Files;
namespace KvShiftScale.Data.Text;

/// <summary>
/// Reads documents from files: text and Markdown hold one each, JSON lines (<c>.jsonl</c>, <c>.ndjson</c>, <c>.json</c>) one a line, and
/// .NET API documentation (an <c>.xml</c> file with members under the root <c>doc</c>) one a member. Each may be compressed, with
/// <c>.gz</c> or <c>.zst</c> after its name.
/// </summary>
/// <remarks>
/// Files come in the order of the patterns, those of one pattern in ordinal order of their paths, a file that several patterns match only
/// once. A pattern that is a folder stands for all files of these kinds below it. Text is UTF-8 (or UTF-16 or UTF-32 with a byte order
/// mark); bytes that are not become U+FFFD.
/// </remarks>
public static class TextDocuments
{
    /// <summary>The field of a JSON line that holds the text, unless another is named.</summary>
    public const string DefaultField = "text";

    /// <summary>The documents of all files that the patterns match. Patterns are resolved at once, files opened one by one.</summary>
    /// <param name="globs">Patterns as <see cref="FileGlob"/> reads them, or folders.</param>
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
        return CorpusFiles.Find(globs);
    }

    private static IEnumerable<TextDocument> Documents(IReadOnlyList<string> files, string field)
    {
        foreach (var file in files)
        {
            using var reader = new CorpusFileReader(file);
            foreach (var document in reader.Documents())
            {
                yield return new TextDocument(document.Source, document.Index, document.Text(field));
            }
        }
    }
}
