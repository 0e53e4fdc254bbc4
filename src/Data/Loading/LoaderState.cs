using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Shards;

namespace KvShiftScale.Data.Loading;

/// <summary>
/// What a checkpoint keeps of the data: everything that decides which rows come next. It does not depend on shares, micro-batches or
/// prefetching, so a run may go on with others.
/// </summary>
/// <param name="Seed">Seed of the order.</param>
/// <param name="Step">Steps whose rows have been used; the next rows are those of this step.</param>
/// <param name="Context">Tokens of a row.</param>
/// <param name="GlobalBatch">Rows of a step.</param>
/// <param name="ShuffleRowGroups">Row groups that are shuffled together.</param>
/// <param name="Sources">Fingerprints of the sources, in configuration order.</param>
/// <param name="DocumentMask">Documents stand alone in their rows.</param>
/// <param name="Packing">How documents become rows.</param>
/// <param name="RowOrder">Order of the rows of a window; a state that was saved before there was a choice does not have it.</param>
public sealed record LoaderState(long Seed, long Step, int Context, int GlobalBatch, int ShuffleRowGroups, IReadOnlyList<SourceFingerprint> Sources,
    bool DocumentMask = true, Packing Packing = Packing.Concatenate, RowOrder RowOrder = RowOrder.Sequential)
{
    /// <summary>What a checkpoint taken after <paramref name="step"/> steps has to keep.</summary>
    public static LoaderState Of(ShardCatalog catalog, DataConfig config, long seed, long step)
        => new(seed, step, config.Context, config.GlobalBatch, config.ShuffleRowGroups,
            [.. catalog.Sources.Select(source => source.Fingerprint)], config.DocumentMask, config.Packing,
            config.RowOrder ?? DataConfig.DefaultRowOrder);

    /// <summary>
    /// Why <paramref name="now"/> would not go on with the same rows, in words; null when it would. Steps are not compared.
    /// </summary>
    public string? DifferenceFrom(LoaderState now) => ConfigurationDifferenceFrom(now) ?? DataDifferenceFrom(now);

    /// <summary>The part of <see cref="DifferenceFrom"/> that lies in the configuration of the order.</summary>
    public string? ConfigurationDifferenceFrom(LoaderState now)
    {
        (string Key, string Then, string Now)[] settings =
        [
            ("run.seed", $"{Seed}", $"{now.Seed}"),
            ("data.context", $"{Context}", $"{now.Context}"),
            ("data.global_batch", $"{GlobalBatch}", $"{now.GlobalBatch}"),
            ("data.shuffle_row_groups", $"{ShuffleRowGroups}", $"{now.ShuffleRowGroups}"),
            ("data.document_mask", $"{DocumentMask}", $"{now.DocumentMask}"),
            ("data.packing", $"{Packing}", $"{now.Packing}"),
            ("data.row_order", $"{RowOrder}", $"{now.RowOrder}"),
        ];
        foreach (var (key, then, current) in settings)
        {
            if (then != current)
            {
                return $"{key} was {then.ToLowerInvariant()} and is {current.ToLowerInvariant()}";
            }
        }

        return null;
    }

    /// <summary>The part of <see cref="DifferenceFrom"/> that lies in the shards and their weights.</summary>
    public string? DataDifferenceFrom(LoaderState now)
    {
        if (Sources.Count != now.Sources.Count)
        {
            return $"data.train had {Sources.Count} sources and has {now.Sources.Count}";
        }

        for (var i = 0; i < Sources.Count; i++)
        {
            if (Sources[i].DifferenceFrom(now.Sources[i]) is { } difference)
            {
                return $"data.train[{i}] ({now.Sources[i].Glob}): {difference}";
            }
        }

        return null;
    }
}
