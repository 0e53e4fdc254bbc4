namespace KvShiftScale.Data.Shards;

/// <summary>Holds what a folder's shards are against what its manifest says.</summary>
public static class ManifestCheck
{
    /// <summary>The differences, a sentence each; none where all is as it was written, or where the folder has no manifest.</summary>
    /// <param name="folder">A folder of shards.</param>
    /// <param name="files">Its shards.</param>
    /// <param name="found">What reading each of them gave.</param>
    public static IReadOnlyList<string> Differences(string folder, IReadOnlyList<string> files, IReadOnlyList<ShardVerification> found)
    {
        if (!File.Exists(Path.Combine(folder, ShardManifest.FileName)))
        {
            return [];
        }

        var differences = new List<string>();
        var listed = ShardManifest.Read(folder).Files.ToDictionary(entry => entry.Name, StringComparer.Ordinal);
        foreach (var (path, shard) in files.Zip(found))
        {
            var name = Path.GetFileName(path);
            if (!listed.Remove(name, out var entry))
            {
                differences.Add($"{name} is not in {ShardManifest.FileName}");
            }
            else if (entry.Rows != shard.Rows || entry.Tokens != shard.Tokens)
            {
                differences.Add(FormattableString.Invariant(
                    $"{name} has {shard.Rows} rows and {shard.Tokens} tokens, and {ShardManifest.FileName} says {entry.Rows} and {entry.Tokens}"));
            }
            else if (entry.Sha256 is { } hash && hash != shard.Sha256)
            {
                differences.Add($"{name} has other documents than it was written with: checksum {shard.Sha256}, and {ShardManifest.FileName} says {hash}");
            }
        }

        differences.AddRange(listed.Keys.Order(StringComparer.Ordinal).Select(name => $"{name} is missing"));
        return differences;
    }
}
