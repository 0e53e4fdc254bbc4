using KvShiftScale.Core;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Shards;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Experiments.Compare;

/// <summary>What both arms of a comparison have in common, from a configuration file or for a small model made for two cores.</summary>
internal static class CompareSettings
{
    private const int DefaultSteps = 200;
    private const int Validations = 8;

    /// <summary>The shared configuration.</summary>
    /// <param name="path">Configuration file; null for the small model.</param>
    /// <param name="train">Training shards; empty for those of the file.</param>
    /// <param name="validation">Validation shards; empty for those of the file.</param>
    /// <param name="tokenizer">Tokenizer folder; null for that of the file.</param>
    /// <param name="steps">Steps; null for those of the file.</param>
    /// <param name="overrides">Settings of the command line.</param>
    /// <exception cref="ConfigException">The file has a fault.</exception>
    /// <exception cref="UsageException">There is no data to train or to validate on, or its vocabulary is unknown.</exception>
    public static RunConfig Read(
        string? path, string[] train, string[] validation, string? tokenizer, int? steps, IReadOnlyList<ConfigOverride> overrides)
    {
        // The small model's vocabulary is the data's own; a setting of the command line comes last.
        var config = path is null ? Parse(Small(OpenVocabulary(train)), overrides) : RunConfigReader.Read(path, overrides);
        var data = config.Data with
        {
            Train = train.Length > 0 ? Sources(train) : config.Data.Train,
            Validation = validation.Length > 0 ? Sources(validation) : config.Data.Validation,
            Tokenizer = tokenizer ?? config.Data.Tokenizer,
        };
        if (data.Train.Count == 0)
        {
            throw new UsageException("found no data to train on; name token shards with --data");
        }

        if (data.Validation.Count == 0)
        {
            throw new UsageException("found no validation data, which the comparison is about; name held-out shards with --validation");
        }

        var count = steps ?? config.Run.Steps;
        var every = config.Run.ValidateEvery > 0 ? config.Run.ValidateEvery : Math.Max(1, count / Validations);
        return config with
        {
            Data = data,
            Run = config.Run with
            {
                Steps = count,
                ValidateEvery = every,
                // The sample would be text; the comparison is of losses.
                SamplePrompt = "",
                KeepCheckpoints = 1,
            },
        };
    }

    private static RunConfig Parse(RunConfig config, IReadOnlyList<ConfigOverride> overrides)
        => overrides.Count == 0 ? config : RunConfigReader.Parse(RunConfigWriter.Write(config), "the comparison's own configuration", overrides);

    private static RunConfig Small(int vocabulary) => new()
    {
        Run = new RunSection { Name = "compare", Steps = DefaultSteps, LogEvery = 1, CheckpointEvery = 0 },
        Model = new ModelConfig { VocabSize = vocabulary, HiddenSize = 256, Layers = 4, Heads = 4, KvHeads = 2, FfnSize = 704 },
        Data = new DataConfig { Context = 256, GlobalBatch = 16, MicroBatch = 4 },
        Optimizer = new OptimizerConfig { Lr = 2e-3, WarmupSteps = 20, Decay = LearningRateDecay.Cosine },
    };

    private static int OpenVocabulary(string[] train)
    {
        if (train.Length == 0)
        {
            throw new UsageException("found neither --data nor --config; wanted token shards to train on");
        }

        return ShardCatalog.Open(Sources(train)).VocabularySize
            ?? throw new UsageException(
                $"the shards {string.Join(", ", train)} do not state their vocabulary size; give it with --config FILE and model.vocab_size in it");
    }

    private static DataSource[] Sources(string[] globs) => [.. globs.Select(glob => new DataSource(glob))];
}
