namespace KvShiftScale.Data.Finding;

/// <summary>What the name of a file says of its content.</summary>
internal static class CorpusFileName
{
    /// <summary>The names that are known, for messages.</summary>
    public const string Known = ".txt, .md, .xml, .jsonl, .ndjson or .json, each also with .gz or .zst, or .parquet";

    /// <summary>Null when the file is of no known kind.</summary>
    public static CorpusFileKind? KindOf(string path)
    {
        if (path.EndsWith(".parquet", StringComparison.OrdinalIgnoreCase))
        {
            return CorpusFileKind.Parquet;
        }

        var name = IsGZip(path) || IsZstd(path) ? path[..path.LastIndexOf('.')] : path;
        return Path.GetExtension(name).ToLowerInvariant() switch
        {
            ".txt" or ".text" or ".md" or ".markdown" => CorpusFileKind.Whole,
            ".jsonl" or ".ndjson" or ".json" => CorpusFileKind.JsonLines,
            ".xml" => CorpusFileKind.Xml,
            _ => null,
        };
    }

    public static bool IsGZip(string path) => path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase);

    public static bool IsZstd(string path)
        => path.EndsWith(".zst", StringComparison.OrdinalIgnoreCase) || path.EndsWith(".zstd", StringComparison.OrdinalIgnoreCase);
}
