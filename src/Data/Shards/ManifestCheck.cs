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
    /// Parts of a corpus (<see cref="CorpusPart"/>) that are not there, not finished, or of another division of the text than others beside them, of
    /// folders of which all shards are wanted; a sentence each.
    /// </summary>
    public static IReadOnlyList<string> MissingParts(ShardFiles shards)
    {
        ArgumentNullException.ThrowIfNull(shards);
        return
        [
            .. shards.Paths.Select(path => Path.GetDirectoryName(path)!).Distinct().GroupBy(folder => Path.GetDirectoryName(folder))
                .Where(above => above.Key is not null && shards.HasAllOf(above.Key)).SelectMany(above => MissingParts(above.Key!, above)),
        ];
    }

    // A folder that only has such a name is no part.
    private static IEnumerable<string> MissingParts(string above, IEnumerable<string> folders)
    {
        var parts = folders.Select(folder => (Folder: folder, Part: CorpusPart.OfFolder(Path.GetFileName(folder)), Record: ShardManifest.Find(folder)?.Preparation))
            .Where(found => found.Part is not null
                && (found.Record?.Part == found.Part || File.Exists(Path.Combine(found.Folder, ShardPath.UnfinishedName)))).ToArray();
        var missing = parts.Select(found => found.Part!.Count).Distinct()
            .SelectMany(count => Enumerable.Range(1, count).Select(number => Path.Combine(above, new CorpusPart(number, count).FolderName)))
            .Where(folder => !File.Exists(Path.Combine(folder, ShardManifest.FileName))).Select(folder => $"{folder} is missing, or not finished");
        var divisions = parts.Where(found => found.Record is not null).DistinctBy(found => (found.Part!.Count, found.Record!.DealtFrom)).ToArray();
        return missing.Concat(divisions.Skip(1).Select(
            other => $"{other.Folder} is a part of another division of the text, or of other files, than {divisions[0].Folder}: documents may be in both, or in neither"));
    }

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
