using System.CommandLine;
using System.Text.Json;
using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Core;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Reporting;
using KvShiftScale.Trainer.RunFolders;
using KvShiftScale.Trainer.Training;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift eval</c>: mean loss of a model over token shards.</summary>
internal static class EvalVerb
{
    private const string ContextKey = "data.context";
    private const string MicroBatchKey = "data.micro_batch";

    // Unless micro_batch says otherwise: enough rows for large matrix products, few enough for a small machine.
    private const int TokensAtOnce = 8192;

    public static Command Build(RankEnvironment launch)
    {
        var model = new ModelChoice();
        var data = new Option<string[]>("--data")
        {
            Description = "Token shards: files, folders or globs; data.validation of the model's own run by default.",
            DefaultValueFactory = _ => [],
            AllowMultipleArgumentsPerToken = true
        };
        var vanilla = new Option<bool>("--vanilla") { Description = "Leave the KV shift out." };
        var set = new Option<string[]>("--set")
        {
            Description = "data.micro_batch=N (rows computed at a time) or data.context=N (longest window; the model's own by default).",
            DefaultValueFactory = _ => [],
        };
        var command = new Command("eval", "Mean loss over every document; the last line of output is a JSON object.") { data, vanilla, set };
        model.AddTo(command);
        command.SetAction(parsed => Run(launch, model.Resolve(parsed), parsed.GetValue(data)!, parsed.GetValue(vanilla),
            [.. parsed.GetValue(set)!.Select(ConfigOverride.Parse)]));
        return command;
    }

    private static int Run(RankEnvironment launch, string folder, string[] data, bool vanilla, IReadOnlyList<ConfigOverride> settings)
    {
        var batch = ReadSettings(settings);
        var catalog = OpenData(data.Length > 0 ? data : ValidationDataOf(folder));

        launch.LoadMpi();
        TensorLibrary.Load();
        using var ranks = ParallelContext.Create(new ParallelConfig(), launch.LaunchedByMpi);
        return FaultReport.Guard(launch, ranks, () =>
        {
            launch.RequireWorld(ranks.World);
            ComputeThreads.Set(configured: 0, RankAddress.Gather(ranks.World), ranks.World.Rank);
            using var source = ModelSource.Open(folder);
            var vocabulary = source.Description.Model.VocabSize;
            if (catalog.VocabularySize is { } size && size > vocabulary)
            {
                throw new UsageException(
                    $"found shards of a vocabulary of {size} ids for a model of {vocabulary}; wanted shards made with the model's tokenizer");
            }
            if (catalog.IdsOutside(vocabulary) is { } outside)
            {
                throw new UsageException($"found ids that the model does not have: {outside}");
            }

            var isFirst = ranks.World.Rank == 0;
            foreach (var notice in isFirst ? catalog.Notices : [])
            {
                Console.Error.WriteLine($"kvshift: {notice}");
            }

            if (isFirst && !vanilla && source.Note is { } note)
            {
                Console.Error.WriteLine($"kvshift: {note}");
            }

            var context = Math.Min(IsSet(settings, ContextKey) ? batch.Context : source.Description.Context, LongestWindow(catalog));
            var rows = IsSet(settings, MicroBatchKey) ? batch.MicroBatch : Math.Max(1, TokensAtOnce / context);
            using var model = source.Build(vanilla, context);
            using var progress = isFirst ? new ProgressLine() : null;
            var share = catalog.TokenCount / ranks.Data.Size;
            var batches = new EvaluationBatches(catalog, context, rows, vocabulary, new DataShare(ranks.Data.Rank, ranks.Data.Size));
            var (loss, targets) = new Validation(model, ranks).Run(batches, (targets, mean) => progress?.Update(FormattableString.Invariant(
                $"eval: {100.0 * targets / Math.Max(1, share):F1} % of {share:N0} tokens, mean loss so far {mean:F4}")))!.Value;
            if (!isFirst)
            {
                return ExitCode.Done;
            }

            var result = new Dictionary<string, object> { ["loss"] = loss, ["tokens"] = targets, ["perplexity"] = Math.Exp(loss) };
            Console.WriteLine(JsonSerializer.Serialize(result));
            return ExitCode.Done;
        });
    }

    // No document is longer than its row group. Rows and rotary tables need not be either, whatever length a model was made for.
    private static int LongestWindow(ShardCatalog catalog)
        => Math.Max(1, catalog.Sources.SelectMany(source => source.Shards).SelectMany(shard => shard.RowGroups).Select(group => group.Tokens)
            .DefaultIfEmpty().Max() - 1);

    private static bool IsSet(IReadOnlyList<ConfigOverride> settings, string key) => settings.Any(setting => setting.Key == key);

    private static DataConfig ReadSettings(IReadOnlyList<ConfigOverride> settings)
    {
        foreach (var setting in settings)
        {
            if (setting.Key is not (ContextKey or MicroBatchKey))
            {
                throw new UsageException($"found {setting.Position}; an evaluation takes {MicroBatchKey} and {ContextKey} only");
            }
        }
        var config = RunConfigReader.Parse("run: { name: eval, steps: 1 }", "eval", settings).Data;
        RunConfigRules.CheckNumbersOf(config, "data");
        return config;
    }

    // A checkpoint has the configuration that its run was begun with.
    private static string[] ValidationDataOf(string folder)
    {
        var configuration = Path.Combine(folder, RunFolder.ConfigurationName);
        string[] found = File.Exists(configuration) ? [.. RunConfigReader.Read(configuration, []).Data.Validation.Select(source => source.Glob)] : [];
        return found.Length > 0 ? found : throw new UsageException($"found no --data, and no validation data of a run beside the model in {folder}; wanted token shards: --data SHARDS");
    }

    private static ShardCatalog OpenData(string[] data)
    {
        try
        {
            return ShardCatalog.OpenUncounted([.. data.Select(path => new DataSource(path))]);
        }
        catch (FileNotFoundException missing)
        {
            throw new UsageException(missing.Message);
        }
    }
}
