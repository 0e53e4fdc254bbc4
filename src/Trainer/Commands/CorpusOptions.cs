using System.CommandLine;
using KvShiftScale.Core;
using KvShiftScale.Data.Corpus;

namespace KvShiftScale.Trainer.Commands;

/// <summary>Options of the verbs that read text: which files, and what in them is text.</summary>
internal sealed class CorpusOptions
{
    public const string InputDescription =
        "Text, Markdown, JSON lines or .NET documentation XML, plain, .gz or .zst, or Parquet with a column of texts; folders, and globs with * and **.";

    private readonly Option<string?> _kind = new("--as") { Description = "What all files are, whatever their names: text, jsonl or parquet." };

    private readonly Option<string[]> _include = new("--include")
    {
        Description = "Of folders and globs, only files that match one of these: a name of a file or of a folder on the way, or with / all of it.",
        AllowMultipleArgumentsPerToken = true,
        DefaultValueFactory = _ => [],
    };

    private readonly Option<string[]> _exclude = new("--exclude")
    {
        Description = "Of folders and globs, no files that match one of these.",
        AllowMultipleArgumentsPerToken = true,
        DefaultValueFactory = _ => [],
    };

    private readonly Option<string> _field = new("--field")
    {
        Description = "Field of JSON lines that holds the text.",
        DefaultValueFactory = _ => TextDocuments.DefaultField,
    };

    private readonly Option<string> _textColumn = new("--text-column")
    {
        Description = "Column of Parquet files that holds the text, one document a row.",
        DefaultValueFactory = _ => TextDocuments.DefaultField,
    };

    private readonly Option<bool> _skipBad = new("--skip-bad")
    {
        Description = "Leave out JSON lines that are broken or have no text, count them and name the first.",
    };

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_kind, _include, _exclude, _field, _textColumn, _skipBad])
        {
            command.Options.Add(option);
        }
    }

    public string FieldOf(ParseResult parsed) => NotEmpty(_field.Name, parsed.GetValue(_field)!, "field");

    public bool SkipsBadLines(ParseResult parsed) => parsed.GetValue(_skipBad);

    public CorpusSelection SelectionOf(ParseResult parsed)
    {
        var name = parsed.GetValue(_kind);
        return name is null || CorpusSelection.KindNames.ContainsKey(name)
            ? new CorpusSelection
            {
                Kind = name is null ? null : CorpusSelection.KindNames[name],
                Include = parsed.GetValue(_include)!,
                Exclude = parsed.GetValue(_exclude)!,
                TextColumn = NotEmpty(_textColumn.Name, parsed.GetValue(_textColumn)!, "column"),
            }
            : throw new UsageException($"found --as {name}; wanted {string.Join(", ", CorpusSelection.KindNames.Keys)}");
    }

    private static string NotEmpty(string option, string value, string what)
        => value.Length > 0 ? value : throw new UsageException($"found an empty {option}; wanted the name of the {what} that holds the text");
}
