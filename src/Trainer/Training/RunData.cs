using KvShiftScale.Core;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Training;

/// <summary>The shards of a run.</summary>
/// <param name="Training">Shards that it trains on.</param>
/// <param name="Validation">Shards that it is validated on, in sets that have names or in one that has none; nothing: it is not.</param>
internal sealed record RunData(ShardCatalog Training, IReadOnlyList<ValidationSet> Validation)
{
    /// <summary>Opens them, and looks whether they fit the configuration and are the same for all ranks. Collective.</summary>
    /// <exception cref="ConfigException">They do not fit.</exception>
    /// <exception cref="InvalidDataException">Ranks see different files.</exception>
    public static RunData Open(LaunchedRun run)
    {
        var data = run.Config.Data;
        var training = Open(run, "data.train", data.Train);
        ValidationSet[] validation = [.. data.Validation.GroupBy(source => source.Set)
            .Select(set => new ValidationSet(set.Key, Open(run, KeyOf(set.Key), [.. set])))];
        CheckTokenizer(run.Config, [training, .. validation.Select(set => set.Shards)]);
        var notices = NoticesOf(training, "data.train").Concat(validation.SelectMany(set => NoticesOf(set.Shards, KeyOf(set.Name))));
        foreach (var notice in run.IsFirstRank ? notices : [])
        {
            run.Reporter.Warn(notice);
        }

        RequireSameOnAllRanks(run.Ranks, training);
        foreach (var set in validation)
        {
            RequireSameOnAllRanks(run.Ranks, set.Shards);
        }

        return new RunData(training, validation);
    }

    /// <summary>
    /// The same with the training tokens counted that footers do not state: by all ranks together, and kept in the run's folder.
    /// Collective.
    /// </summary>
    public RunData Count(LaunchedRun run) => this with
    {
        Training = Training.Count(new CountingOptions
        {
            VocabularySize = run.Config.Model.VocabSize,
            PaddedContext = run.Config.Data.Packing == Packing.Pad ? run.Config.Data.Context : null,
            File = run.Folder.RowGroupCounts,
            Share = new DataShare(run.Ranks.World.Rank, run.Ranks.World.Size),
            SumOverShares = values => run.Ranks.World.Sum<long>(values),
            Threads = run.Config.Data.ReaderThreads,
            Notice = run.Reporter.Say,
        }, run.Access),
    };

    private static ShardCatalog Open(LaunchedRun run, string key, IReadOnlyList<DataSource> sources)
    {
        ShardCatalog catalog;
        try
        {
            catalog = ShardCatalog.OpenUncounted(sources, run.Access);
        }
        catch (FileNotFoundException missing)
        {
            throw new ConfigException(new ConfigFault(key, string.Join(", ", sources.Select(source => source.Glob)), "every item must be a file, a folder or a glob of token shards",
                missing.Message));
        }
        if (catalog.VocabularySize is { } size && size > run.Config.Model.VocabSize)
        {
            throw new ConfigException(new ConfigFault("model.vocab_size", $"{run.Config.Model.VocabSize}",
                $"must be at least the vocabulary of {key}, which {catalog.VocabularySource} gives as {size}",
                $"set model.vocab_size: {size}, or prepare the data with a smaller tokenizer"));
        }

        if (catalog.IdsOutside(run.Config.Model.VocabSize) is { } outside)
        {
            throw new ConfigException(new ConfigFault(key, string.Join(", ", sources.Select(source => source.Glob)), outside,
                "prepare these files again with the tokenizer of the run, or set model.vocab_size to what they need"));
        }

        return catalog;
    }

    private static string KeyOf(string? set) => set is null ? "data.validation" : $"data.validation.{set}";

    private static IEnumerable<string> NoticesOf(ShardCatalog catalog, string key) => catalog.Notices.Select(notice => $"{key}: {notice}");

    // The sample and the checkpoints need the tokenizer; that it is missing or another one is better known before training than after.
    private static void CheckTokenizer(RunConfig config, IReadOnlyList<ShardCatalog> catalogs)
    {
        var stated = catalogs.Where(catalog => catalog.TokenizerHash is not null).ToArray();
        if (stated.FirstOrDefault(catalog => catalog.TokenizerHash != stated[0].TokenizerHash) is { } different)
        {
            throw new ConfigException(new ConfigFault("data.validation", $"{different.TokenizerSource} ({different.TokenizerHash})",
                $"must be made with the tokenizer of data.train, {stated[0].TokenizerHash} in {stated[0].TokenizerSource}",
                "prepare one of them again with the tokenizer of the other"));
        }

        if (config.Data.Tokenizer is not { } path)
        {
            return;
        }

        TokenizerModel tokenizer;
        try
        {
            tokenizer = TokenizerModel.Load(path);
        }
        catch (IOException missing)
        {
            throw new ConfigException(new ConfigFault("data.tokenizer", path, "must be a tokenizer folder, a tokenizer.json or the name of a published encoding", missing.Message));
        }
        if (tokenizer.VocabularySize > config.Model.VocabSize)
        {
            throw new ConfigException(new ConfigFault("model.vocab_size", $"{config.Model.VocabSize}",
                $"must be at least the tokenizer's vocabulary of {tokenizer.VocabularySize}", $"set model.vocab_size: {tokenizer.VocabularySize}"));
        }
        foreach (var catalog in catalogs)
        {
            if (catalog.TokenizerHash is { } hash && !tokenizer.IsNamedBy(hash))
            {
                throw new ConfigException(new ConfigFault("data.tokenizer", $"{path} ({tokenizer.Hash})",
                    $"must be the tokenizer that made the shards, {hash} in {catalog.TokenizerSource}", "prepare the shards again, or name the tokenizer that made them"));
            }
        }
    }

    // Ranks that see different files, on machines of their own or while somebody writes, would train on a mixture of two orders. Weights and
    // globs come from one configuration, so that a difference lies in the files.
    private static void RequireSameOnAllRanks(ParallelContext ranks, ShardCatalog catalog)
    {
        var seen = $"{string.Join("; ", catalog.Sources.Select(source => source.Identity))} on {Environment.MachineName}";
        var first = ranks.BroadcastText(seen);
        var differs = new long[ranks.World.Size];
        differs[ranks.World.Rank] = WithoutMachine(first) == WithoutMachine(seen) ? 0 : 1;
        ranks.World.Sum<long>(differs);
        var other = Array.IndexOf(differs, 1);
        if (other < 0)
        {
            return;
        }

        throw new InvalidDataException(
            $"rank {other} sees other files than rank 0. Rank 0: {first}. Rank {other}: {ranks.BroadcastText(seen, other)}. All ranks have to see the same files, "
            + "and nobody may write them during a run.");

        static string WithoutMachine(string text) => text[..text.LastIndexOf(" on ", StringComparison.Ordinal)];
    }
}
