using KvShiftScale.Data.Finding;

namespace KvShiftScale.Data.Corpus;

/// <summary>Which files of a corpus are taken, and as what.</summary>
public sealed record CorpusSelection
{
    /// <summary>The kinds that have a name for people.</summary>
    public static IReadOnlyDictionary<string, CorpusFileKind> KindNames { get; } = new Dictionary<string, CorpusFileKind>(StringComparer.Ordinal)
    {
        ["text"] = CorpusFileKind.Whole,
        ["jsonl"] = CorpusFileKind.JsonLines,
        ["parquet"] = CorpusFileKind.Parquet,
    };

    /// <summary>What all files are, whatever their names; null where their names say it.</summary>
    public CorpusFileKind? Kind { get; init; }

    /// <summary>Patterns (<c>*</c>, <c>?</c>, <c>**</c>) of which a file that a folder or a pattern has found must match one; none for all files.</summary>
    public IReadOnlyList<string> Include { get; init; } = [];

    /// <summary>Patterns of which it must match none.</summary>
    public IReadOnlyList<string> Exclude { get; init; } = [];

    /// <summary>The column of a Parquet file that holds the text.</summary>
    public string TextColumn { get; init; } = TextDocuments.DefaultField;

    /// <summary>The name of the kind; null where the files' names say it.</summary>
    public string? KindName => KindNames.FirstOrDefault(name => name.Value == Kind).Key;

    /// <summary>What a folder is searched for.</summary>
    internal DataFileKind FileKind => Kind is null ? DataFileKind.Text : DataFileKind.AnyText;

    /// <summary>What a file is; null when its name does not say it, and nobody else.</summary>
    internal CorpusFileKind? KindOf(string path) => Kind ?? CorpusFileName.KindOf(path);

    /// <summary>Whether a name below a folder is taken.</summary>
    internal bool Takes(string name)
        => (Include.Count == 0 || Include.Any(pattern => NamePattern.Matches(pattern, name)))
            && !Exclude.Any(pattern => NamePattern.Matches(pattern, name));
}
