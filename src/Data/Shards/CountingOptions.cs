using KvShiftScale.Data.Configuration;

namespace KvShiftScale.Data.Shards;

/// <summary>
/// How to find out what footers do not tell: tokens of a row group whose writer does not count empty lists, and rows that padded
/// documents take. Each such row group is read once; several readers can divide the work, and what they found is kept in a file.
/// </summary>
public sealed record CountingOptions
{
    /// <summary>Counts rows of documents padded to this context as well; null does not.</summary>
    public int? PaddedContext { get; init; }

    /// <summary>Ids of the row groups that are read must be below it; null asks only that they are not negative.</summary>
    public int? VocabularySize { get; init; }

    /// <summary>File that keeps the counts from one launch to the next; null keeps nothing. Only share 0 reads and writes it.</summary>
    public string? File { get; init; }

    /// <summary>The part of the row groups to read.</summary>
    public DataShare Share { get; init; } = DataShare.Whole;

    /// <summary>Replaces each element by its sum over all shares; called the same number of times by each. Needed with several shares.</summary>
    public Action<long[]>? SumOverShares { get; init; }

    /// <summary>Threads that read.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>Told how far counting has come, when it takes long.</summary>
    public Action<string>? Notice { get; init; }
}
