using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Shards;

namespace KvShiftScale.Data.Loading;

/// <summary>The longest document of a source, and how much of a run it fills.</summary>
/// <param name="Tokens">Its tokens.</param>
/// <param name="IsExact">False: the files do not say, and there is one of this length at least.</param>
/// <param name="Rows">Whole rows of the context that it fills.</param>
/// <param name="StepsOnEnd">Steps that these rows take where they follow each other.</param>
/// <param name="StepsOfWindow">Steps that a window's rows take on average, over which they are spread where they are mixed.</param>
public sealed record LongestDocument(long Tokens, bool IsExact, long Rows, double StepsOnEnd, double StepsOfWindow)
{
    /// <summary>That of the source of which a single document fills the most steps. Reads no row group.</summary>
    /// <param name="catalog">The shards, counted.</param>
    /// <param name="config">Context, batch and window.</param>
    public static LongestDocument Of(ShardCatalog catalog, DataConfig config)
    {
        var weights = catalog.Sources.Sum(source => source.Weight);
        return catalog.Sources.Select(source =>
        {
            var (tokens, isExact) = LengthIn(source);
            var rowsOfStep = config.GlobalBatch * source.Weight / weights;
            var rows = tokens / config.Context;
            var rowGroups = source.Shards.Sum(shard => shard.RowGroups.Count);
            var windows = Math.Max(1, (rowGroups + config.ShuffleRowGroups - 1L) / config.ShuffleRowGroups);
            return new LongestDocument(tokens, isExact, rows, rows / rowsOfStep, (double)source.TokenCount / config.Context / windows / rowsOfStep);
        }).MaxBy(longest => longest.StepsOnEnd)!;
    }

    // From the manifest that 'data prepare' leaves beside shards. Where there is none, a row group's mean length is known at least.
    private static (long Tokens, bool IsExact) LengthIn(ShardSource source)
    {
        var (longest, isExact) = (0L, true);
        foreach (var folder in source.Shards.GroupBy(shard => Path.GetDirectoryName(shard.Path)!))
        {
            var entries = ManifestOf(folder.Key)?.Files.Where(entry => entry.Lengths is not null).ToLookup(entry => entry.Name);
            foreach (var shard in folder)
            {
                var entry = entries?[Path.GetFileName(shard.Path)]
                    .FirstOrDefault(known => known.Bytes == shard.ByteCount && known.Rows == shard.DocumentCount && known.Tokens == shard.TokenCount);
                isExact &= entry is not null || shard.RowGroups.All(group => group.Documents <= 1);
                longest = Math.Max(longest, entry?.Lengths!.Longest ?? shard.RowGroups
                    .Max(group => group.Documents == 0 ? 0 : (group.Tokens + group.Documents - 1) / group.Documents));
            }
        }

        return (longest, isExact);
    }

    private static ShardManifest? ManifestOf(string folder)
    {
        try
        {
            return ShardManifest.Read(folder);
        }
        catch (Exception unusable) when (unusable is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            // Nothing that is trained on depends on it.
            return null;
        }
    }
}
