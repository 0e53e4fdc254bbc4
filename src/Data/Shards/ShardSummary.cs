namespace KvShiftScale.Data;

/// <summary>What a shard's footer says about it, so that data can be ordered without opening the file again.</summary>
public sealed record ShardSummary
{
    /// <summary>The file.</summary>
    public required string Path { get; init; }

    /// <summary>Its name below the folder of its source; part of the fingerprint, unlike the folder.</summary>
    public required string Name { get; init; }

    /// <summary>Length of the file.</summary>
    public required long ByteCount { get; init; }

    /// <summary>Documents and tokens of each row group.</summary>
    public required IReadOnlyList<RowGroupCounts> RowGroups { get; init; }

    /// <summary>Hash of the tokenizer, where the file states it.</summary>
    public string? TokenizerHash { get; init; }

    /// <summary>Vocabulary size, where the file states it.</summary>
    public int? VocabularySize { get; init; }

    /// <summary>Documents of the file, empty ones included.</summary>
    public long DocumentCount => RowGroups.Sum(group => (long)group.Documents);

    /// <summary>Tokens of the file.</summary>
    public long TokenCount => RowGroups.Sum(group => (long)group.Tokens);

    /// <summary>Reads the footer of <paramref name="path"/>.</summary>
    /// <exception cref="InvalidDataException">The file is damaged or no token shard.</exception>
    internal static ShardSummary Read(string path, string name)
    {
        using var shard = TokenShard.Open(path);
        var rowGroups = new RowGroupCounts[shard.RowGroupCount];
        for (var index = 0; index < rowGroups.Length; index++)
        {
            rowGroups[index] = shard.Counts(index);
        }

        return new ShardSummary
        {
            Path = path,
            Name = name,
            ByteCount = shard.ByteCount,
            RowGroups = rowGroups,
            TokenizerHash = shard.TokenizerHash,
            VocabularySize = shard.VocabularySize,
        };
    }
}
