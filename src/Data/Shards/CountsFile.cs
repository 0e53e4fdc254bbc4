using System.Text.Json;
using System.Text.Json.Serialization;

namespace KvShiftScale.Data.Shards;

/// <summary>
/// Counts of row groups on disk. A shard is known again by its name, its length and the hash of its footer; anything else in the
/// file is as if it were not there, and so is a file that cannot be understood.
/// </summary>
/// <param name="PaddedContext">Context that padded rows were counted for; null where they were not.</param>
/// <param name="Files">Its shards.</param>
/// <param name="Version">What counts as a token; files of another one are of no use.</param>
internal sealed record CountsFile(int? PaddedContext, IReadOnlyList<CountsFile.Entry> Files, int Version)
{
    // 1: padding that an attention_mask tells is none.
    private const int OwnVersion = 1;

    private static readonly JsonSerializerOptions Format = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    public static CountsFile Of(IReadOnlyList<ShardSummary> shards, int? paddedContext)
        => new(paddedContext, [.. shards.Select(shard => new Entry(
            shard.Name, shard.ByteCount, shard.FooterSha256, [.. shard.RowGroups.Select(group => group.Tokens)], shard.PaddedRows?.ToArray()))], OwnVersion);

    /// <summary>What the file keeps for this context; nothing when it is missing or of no use.</summary>
    public static CountsFile Read(string path, int? paddedContext)
    {
        try
        {
            if (File.Exists(path) && JsonSerializer.Deserialize<CountsFile>(File.ReadAllBytes(path), Format) is { Files: not null, Version: OwnVersion } counts
                && (paddedContext is null || counts.PaddedContext == paddedContext))
            {
                return counts;
            }
        }
        catch (JsonException)
        {
            // Counting again puts it right.
        }

        return new CountsFile(paddedContext, [], OwnVersion);
    }

    /// <summary>Enters what is known: tokens + 1 and padded rows + 1 of each row group.</summary>
    public void CopyTo(IReadOnlyList<ShardSummary> shards, IReadOnlyList<(int Shard, int RowGroup)> wanted, long[] found)
    {
        var known = Files.Where(entry => entry is { Name: not null, FooterSha256: not null, Tokens: not null })
            .ToLookup(entry => (entry.Name, entry.Bytes, entry.FooterSha256));
        for (var item = 0; item < wanted.Count; item++)
        {
            var (index, rowGroup) = wanted[item];
            var shard = shards[index];
            var entry = known[(shard.Name, shard.ByteCount, shard.FooterSha256)].FirstOrDefault();
            var isKnown = entry?.Tokens.Length == shard.RowGroups.Count && entry.Tokens[rowGroup] >= 0
                && (PaddedContext is null || (entry.PaddedRows?.Length == shard.RowGroups.Count && entry.PaddedRows[rowGroup] >= 0));
            if (isKnown)
            {
                found[2 * item] = 1 + entry!.Tokens[rowGroup];
                found[2 * item + 1] = 1 + (entry.PaddedRows?[rowGroup] ?? 0);
            }
        }
    }

    /// <summary>Writes the file, whole or not at all.</summary>
    public void Write(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        var temporary = path + ".partial";
        File.WriteAllBytes(temporary, JsonSerializer.SerializeToUtf8Bytes(this, Format));
        File.Move(temporary, path, overwrite: true);
    }

    /// <summary>One shard.</summary>
    /// <param name="Name">Name below the folder of its source.</param>
    /// <param name="Bytes">Length of the file.</param>
    /// <param name="FooterSha256">Hash of its footer.</param>
    /// <param name="Tokens">Tokens of each row group.</param>
    /// <param name="PaddedRows">Padded rows of each row group, where they were counted.</param>
    public sealed record Entry(string Name, long Bytes, string FooterSha256, int[] Tokens, int[]? PaddedRows);
}
