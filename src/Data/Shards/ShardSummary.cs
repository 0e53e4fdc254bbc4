using KvShiftScale.Data.Files;
namespace KvShiftScale.Data.Shards;

/// <summary>What a shard's footer says about it, so that data can be ordered without opening the file again.</summary>
public sealed record ShardSummary
{
    /// <summary>The file.</summary>
    public required string Path { get; init; }

    /// <summary>Its name below the folder of its source; part of the fingerprint, unlike the folder.</summary>
    public required string Name { get; init; }

    /// <summary>Length of the file and when it was written; a file that differs later is refused.</summary>
    public required FileStamp Stamp { get; init; }

    /// <summary>SHA-256 of the footer, in lower-case hexadecimal.</summary>
    public required string FooterSha256 { get; init; }

    /// <summary>Documents and tokens of each row group.</summary>
    public required IReadOnlyList<RowGroupCounts> RowGroups { get; init; }

    /// <summary>Smallest and largest id of each row group, where the footer states them.</summary>
    public IReadOnlyList<IdRange?> StatedIds { get; init; } = [];

    /// <summary>Rows that the documents of each row group take when they are padded to a context; null when nobody has counted them.</summary>
    public IReadOnlyList<int>? PaddedRows { get; init; }

    /// <summary>Hash of the tokenizer, where the file states it.</summary>
    public string? TokenizerHash { get; init; }

    /// <summary>Vocabulary size, where the file states it.</summary>
    public int? VocabularySize { get; init; }

    /// <summary>Length of the file.</summary>
    public long ByteCount => Stamp.Length;

    /// <summary>Documents of the file, empty ones included.</summary>
    public long DocumentCount => RowGroups.Sum(group => (long)group.Documents);

    /// <summary>Tokens of the file.</summary>
    /// <exception cref="InvalidOperationException">They have not been counted.</exception>
    public long TokenCount => RowGroups.Sum(group => group.Tokens >= 0
        ? group.Tokens
        : throw new InvalidOperationException($"{Path}: the catalog was opened without counting tokens."));

    /// <summary>Reads the footer of <paramref name="path"/>.</summary>
    /// <exception cref="InvalidDataException">The file is damaged or no token shard.</exception>
    internal static ShardSummary Read(string path, string name, ReadAccess access)
    {
        using var shard = TokenShard.Open(path, access, expected: null, CancellationToken.None);
        var rowGroups = new RowGroupCounts[shard.RowGroupCount];
        for (var index = 0; index < rowGroups.Length; index++)
        {
            rowGroups[index] = shard.StatedCounts(index) ?? new RowGroupCounts(shard.DocumentsOf(index), RowGroupCounts.Unknown);
        }

        var statedIds = new IdRange?[rowGroups.Length];
        for (var index = 0; index < rowGroups.Length; index++)
        {
            statedIds[index] = shard.StatedIds(index);
        }

        return new ShardSummary
        {
            Path = path,
            Name = name,
            Stamp = shard.Stamp,
            FooterSha256 = shard.FooterHash(),
            RowGroups = rowGroups,
            StatedIds = statedIds,
            TokenizerHash = shard.TokenizerHash,
            VocabularySize = shard.VocabularySize,
        };
    }
}
