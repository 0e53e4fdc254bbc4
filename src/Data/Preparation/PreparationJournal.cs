using KvShiftScale.Data.Shards;
namespace KvShiftScale.Data.Preparation;

/// <summary>
/// <c>unfinished.json</c> of a folder of shards that is being made: the shards that are complete, and where in the input the next one begins.
/// It is replaced after each shard, and removed when the manifest is there.
/// </summary>
/// <param name="Done">The complete shards, and the inputs that have been opened for them.</param>
/// <param name="Input">Number of the file that the next document comes from.</param>
/// <param name="Documents">Documents of that file that are in shards.</param>
internal sealed record PreparationJournal(ShardManifest Done, int Input, long Documents)
{
    public const string FileName = ShardPath.UnfinishedName;

    /// <summary>The complete shards of the documents kept for validation; null where none are kept.</summary>
    public ShardManifest? Validation { get; init; }

    /// <summary>The journal of a folder, or null when it has none.</summary>
    /// <param name="folder">Where the journal is, and its shards.</param>
    /// <param name="validation">Where the shards of validation are; null where there are none.</param>
    /// <exception cref="InvalidDataException">It is damaged, or the shards that it lists are not there.</exception>
    public static PreparationJournal? Read(string folder, string? validation = null)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
        {
            return null;
        }

        var journal = ShardManifest.ReadJson<PreparationJournal>(path);
        var kept = validation is null ? [] : journal.Validation?.Files.Select(shard => (Folder: validation, Shard: shard)) ?? [];
        foreach (var (place, shard) in journal.Done.Files.Select(shard => (Folder: folder, Shard: shard)).Concat(kept))
        {
            var file = new FileInfo(Path.Combine(place, shard.Name));
            if (!file.Exists || file.Length != shard.Bytes)
            {
                throw new InvalidDataException(FormattableString.Invariant(
                    $"{path}: lists {shard.Name} of {shard.Bytes} bytes, and found {(file.Exists ? $"{file.Length} bytes" : "no such file")}. Remove the folder and prepare it again."));
            }
        }

        return journal;
    }

    /// <summary>The journal of a folder, whatever else is there; null where it has none, or where a file of this name is something else.</summary>
    public static PreparationJournal? Find(string folder)
    {
        try
        {
            return File.Exists(Path.Combine(folder, FileName))
                && ShardManifest.ReadJson<PreparationJournal>(Path.Combine(folder, FileName)) is { Done: { Files: not null } } journal ? journal : null;
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }

    public void Write(string folder) => ShardManifest.WriteJson(Path.Combine(folder, FileName), this);

    public static void Remove(string folder) => File.Delete(Path.Combine(folder, FileName));
}
