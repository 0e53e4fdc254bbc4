using System.Text;
using KvShiftScale.Data.Finding;
using KvShiftScale.Data.Text;

namespace KvShiftScale.Data.Corpus;

/// <summary>
/// Reads documents from files: text and Markdown hold one each, JSON lines (<c>.jsonl</c>, <c>.ndjson</c>, <c>.json</c>) one a line, and
/// .NET API documentation (an <c>.xml</c> file with members under the root <c>doc</c>) one a member. Each may be compressed, with
/// <c>.gz</c> or <c>.zst</c> after its name. Parquet files with a column of texts hold one a row.
/// </summary>
/// <remarks>
/// Files come in the order of the paths given, those of one path in ordinal order, each file once. A path is a file, a folder, of which all files
/// of these kinds in it and below it are read, or a pattern (<see cref="DataPath"/>). An empty file has no document. Text is UTF-8 (or UTF-16 or UTF-32 with a byte order
/// mark); bytes that are not become U+FFFD.
/// </remarks>
public static class TextDocuments
{
    /// <summary>The field of a JSON line that holds the text, unless another is named.</summary>
    public const string DefaultField = "text";

    /// <summary>The documents of all files that the patterns match. Patterns are resolved at once, files opened one by one.</summary>
    /// <param name="globs">Files, folders and patterns.</param>
    /// <param name="field">Field of a JSON line that holds the text.</param>
    /// <exception cref="FileNotFoundException">A pattern matches no file.</exception>
    /// <exception cref="InvalidDataException">A file is of an unknown kind or damaged, or a JSON line lacks the field.</exception>
    public static IEnumerable<TextDocument> Read(IEnumerable<string> globs, string field = DefaultField)
    {
        return Read(Files(globs), field);
    }

    /// <summary>The documents of files that have been found.</summary>
    /// <exception cref="InvalidDataException">A file is damaged, or a JSON line lacks the field.</exception>
    /// <param name="files">Read in order.</param>
    /// <param name="field">Field of a JSON line that holds the text.</param>
    /// <param name="skipsBadLines">Leaves out JSON lines without a text, where they would otherwise end the reading.</param>
    /// <param name="leftOut">Told of each JSON line that was left out: bad ones, and those with null in the place of the text.</param>
    public static IEnumerable<TextDocument> Read(
        CorpusFiles files, string field = DefaultField, bool skipsBadLines = false, Action<LeftOutLine>? leftOut = null)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentException.ThrowIfNullOrEmpty(field);
        return Documents(files, field, skipsBadLines, leftOut);
    }

    /// <summary>The files that paths stand for, in reading order.</summary>
    /// <param name="globs">Files, folders and patterns.</param>
    /// <param name="ownFile">What a file is that this program has written itself, and that is left out; null for others.</param>
    /// <param name="selection">Which files are taken, and as what; null for all whose names are known.</param>
    /// <exception cref="FileNotFoundException">A path stands for no file.</exception>
    /// <exception cref="InvalidDataException">A file is of an unknown kind.</exception>
    public static CorpusFiles Files(IEnumerable<string> globs, Func<string, string?>? ownFile = null, CorpusSelection? selection = null)
    {
        ArgumentNullException.ThrowIfNull(globs);
        return CorpusFiles.Find(globs, selection ?? new CorpusSelection(), ownFile);
    }

    private static IEnumerable<TextDocument> Documents(CorpusFiles files, string field, bool skipsBadLines, Action<LeftOutLine>? leftOut)
    {
        foreach (var file in files.Paths)
        {
            using var reader = new CorpusFileReader(file, files.Selection);
            foreach (var document in reader.Documents())
            {
                if (Text(document, field, skipsBadLines, leftOut) is { } text)
                {
                    yield return new TextDocument(document.Source, document.Index, text);
                }
            }
        }
    }

    private static string? Text(RawDocument document, string field, bool skipsBadLines, Action<LeftOutLine>? leftOut)
    {
        var text = document.Read(field, skipsBadLines, out var line);
        if (line is null)
        {
            return Encoding.UTF8.GetString(text.Utf8);
        }

        leftOut?.Invoke(line);
        return null;
    }
}
