namespace KvShiftScale.Data.Finding;

/// <summary>What is looked for where a path of data is given.</summary>
/// <param name="Plural">What the files are called.</param>
/// <param name="Expected">The names that a folder is searched for.</param>
/// <param name="IsWanted">Whether a name, relative to the folder, is one of them.</param>
/// <param name="Remedy">What to do where a path has none of them.</param>
internal sealed record DataFileKind(string Plural, string Expected, Func<string, bool> IsWanted, Func<string, string> Remedy)
{
    /// <summary>Parquet files of ids.</summary>
    public static DataFileKind Shards { get; } = new("token shards", "*.parquet", name => name.EndsWith(".parquet", StringComparison.Ordinal),
        _ => "Text becomes shards with 'kvshift data prepare'.");

    /// <summary>Files of text, in all forms that are read.</summary>
    public static DataFileKind Text { get; } = new("text", CorpusFileName.Known, name => CorpusFileName.KindOf(name) is not null,
        _ => "With --as text, jsonl or parquet files of any name are read.");

    /// <summary>Files of text of any name.</summary>
    public static DataFileKind AnyText { get; } = new("text", "files", _ => true, _ => "");
}
