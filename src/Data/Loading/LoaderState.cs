namespace KvShiftScale.Data;

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
public sealed record LoaderState(long Seed, long Step, int Context, int GlobalBatch, int ShuffleRowGroups, IReadOnlyList<SourceFingerprint> Sources,
    bool DocumentMask = true)
{
    /// <summary>What a checkpoint taken after <paramref name="step"/> steps has to keep.</summary>
    public static LoaderState Of(ShardCatalog catalog, DataConfig config, long seed, long step)
        => new(seed, step, config.Context, config.GlobalBatch, config.ShuffleRowGroups,
            [.. catalog.Sources.Select(source => source.Fingerprint)], config.DocumentMask);

    /// <summary>
    /// Why <paramref name="now"/> would not go on with the same rows, in words; null when it would. Steps are not compared.
    /// </summary>
    public string? DifferenceFrom(LoaderState now)
    {
        if (Seed != now.Seed)
        {
            return $"run.seed was {Seed} and is {now.Seed}";
        }

        if (Context != now.Context)
        {
            return $"data.context was {Context} and is {now.Context}";
        }

        if (GlobalBatch != now.GlobalBatch)
        {
            return $"data.global_batch was {GlobalBatch} and is {now.GlobalBatch}";
        }

        if (ShuffleRowGroups != now.ShuffleRowGroups)
        {
            return $"data.shuffle_row_groups was {ShuffleRowGroups} and is {now.ShuffleRowGroups}";
        }

        if (DocumentMask != now.DocumentMask)
        {
            return $"data.document_mask was {DocumentMask} and is {now.DocumentMask}";
        }

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
