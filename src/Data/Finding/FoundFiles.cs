namespace KvShiftScale.Data.Finding;

/// <summary>What a path or a pattern stands for.</summary>
/// <param name="Folder">The folder below which the names are: what a pattern has before its first wildcard.</param>
/// <param name="Files">Names below it in ordinal order, each file once.</param>
public sealed record FoundFiles(string Folder, IReadOnlyList<string> Files)
{
    /// <summary>Names that are not among the files, and why.</summary>
    public IReadOnlyList<LeftOutName> LeftOut { get; init; } = [];

    /// <summary>Files of names that are not wanted.</summary>
    public int OtherFiles { get; init; }

    /// <summary>The path was the name of a file.</summary>
    public bool IsNamed { get; init; }
}
