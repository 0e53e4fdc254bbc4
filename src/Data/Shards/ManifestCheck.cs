using KvShiftScale.Data.Corpus;

namespace KvShiftScale.Data.Shards;

/// <summary>Holds shards against what the manifests of their folders say.</summary>
public static class ManifestCheck
{
    /// <summary>The differences, a sentence each; none where all is as it was written, or where no folder has a manifest.</summary>
    /// <param name="shards">The shards. One that its manifest lists is missed only where all of its folder is wanted.</param>
    /// <param name="found">What reading each of them gave.</param>
    public static IReadOnlyList<string> Differences(ShardFiles shards, IReadOnlyList<ShardVerification> found)
    {
        ArgumentNullException.ThrowIfNull(shards);
        return
        [
            .. shards.Paths.Zip(found).GroupBy(shard => Path.GetDirectoryName(shard.First)!)
                .SelectMany(folder => Differences(folder.Key, shards.HasAllOf(folder.Key), folder)),
            .. MissingParts(shards),
        ];
    }

    /// <summary>
    /// Parts of a corpus (<see cref="CorpusPart"/>) that are not there, or not finished, of folders of which all shards are wanted; a sentence each.
    /// </summary>
    public static IReadOnlyList<string> MissingParts(ShardFiles shards)
    {
        ArgumentNullException.ThrowIfNull(shards);
        return
        [
            .. shards.Paths.Select(path => Path.GetDirectoryName(path)!).Distinct().GroupBy(folder => Path.GetDirectoryName(folder))
                .Where(above => above.Key is not null && shards.HasAllOf(above.Key))
                .SelectMany(above => MissingParts(
                    above.Key!, above.Select(folder => CorpusPart.OfFolder(Path.GetFileName(folder))).FirstOrDefault(part => part is not null))),
        ];
    }

    private static IEnumerable<string> MissingParts(string folder, CorpusPart? known)
        => Enumerable.Range(1, known?.Count ?? 0).Select(number => Path.Combine(folder, new CorpusPart(number, known!.Count).FolderName))
            .Where(part => !File.Exists(Path.Combine(part, ShardManifest.FileName))).Select(part => $"{part} is missing, or not finished");

    private static List<string> Differences(string folder, bool wantsAll, IEnumerable<(string Path, ShardVerification Shard)> found)
    {
        var differences = new List<string>();
        if (!File.Exists(Path.Combine(folder, ShardManifest.FileName)))
        {
            return differences;
        }

        var listed = ShardManifest.Read(folder).Files.ToDictionary(entry => entry.Name, StringComparer.Ordinal);
        foreach (var (path, shard) in found)
        {
            var name = Path.GetFileName(path);
            if (!listed.Remove(name, out var entry))
            {
                differences.Add($"{path} is not in {ShardManifest.FileName}");
            }
            else if (entry.Rows != shard.Rows || entry.Tokens != shard.Tokens)
            {
                differences.Add(FormattableString.Invariant(
                    $"{path} has {shard.Rows} rows and {shard.Tokens} tokens, and {ShardManifest.FileName} says {entry.Rows} and {entry.Tokens}"));
            }
            else if (entry.Sha256 is { } hash && hash != shard.Sha256)
            {
                differences.Add($"{path} has other documents than it was written with: checksum {shard.Sha256}, and {ShardManifest.FileName} says {hash}");
            }
        }

        if (wantsAll)
        {
            differences.AddRange(listed.Keys.Order(StringComparer.Ordinal).Select(name => $"{Path.Combine(folder, name)} is missing"));
        }

        return differences;
    }
}
