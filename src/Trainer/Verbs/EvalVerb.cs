using System.CommandLine;
using System.Text.Json;
using KvShiftScale.Data;
using KvShiftScale.Parallel;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.ModelFiles;
using KvShiftScale.Trainer.Training;

namespace KvShiftScale.Trainer.Verbs;

/// <summary><c>kvshift eval</c>: mean loss of a model over token shards.</summary>
internal static class EvalVerb
{
    private const string ContextKey = "data.context";
    private const string MicroBatchKey = "data.micro_batch";

    public static Command Build(RankEnvironment launch)
    {
        var model = new Option<string>("--model") { Description = "Model folder or checkpoint.", Required = true };
        var data = new Option<string[]>("--data") { Description = "Token shards: files or globs.", Required = true, AllowMultipleArgumentsPerToken = true };
        var vanilla = new Option<bool>("--vanilla") { Description = "Leave the KV shift out." };
        var set = new Option<string[]>("--set")
        {
            Description = "data.micro_batch=N (sequences computed at a time) or data.context=N (longest window; the model's own by default).",
            DefaultValueFactory = _ => [],
        };
        var command = new Command("eval", "Mean loss over every document; the last line of output is a JSON object.") { model, data, vanilla, set };
        command.SetAction(parsed => Run(launch, parsed.GetRequiredValue(model), parsed.GetRequiredValue(data), parsed.GetValue(vanilla),
            [.. parsed.GetValue(set)!.Select(ConfigOverride.Parse)]));
        return command;
    }

    private static int Run(RankEnvironment launch, string folder, string[] data, bool vanilla, IReadOnlyList<ConfigOverride> settings)
    {
        var batch = ReadSettings(settings);
        if (!Directory.Exists(folder)) throw new UsageException($"found no folder {folder} for --model; wanted a model folder or a checkpoint of a run");
        var catalog = OpenData(data);

        using var ranks = ParallelContext.Create(new ParallelConfig(), launch.LaunchedByMpi);
        return FaultReport.Guard(launch, ranks, () =>
        {
            ComputeThreads.Set(launch, configured: 0);
            using var model = ModelFolder.Read(folder, vanilla, settings.Any(setting => setting.Key == ContextKey) ? batch.Context : null);
            if (catalog.VocabularySize is { } size && size > model.Config.VocabSize)
            {
                throw new UsageException(
                    $"found shards of a vocabulary of {size} ids for a model of {model.Config.VocabSize}; wanted shards made with the model's tokenizer");
            }

            using var progress = new ProgressLine();
            var rows = 0L;
            var batches = new EvaluationBatches(catalog, model.Context, batch.MicroBatch, model.Config.VocabSize,
                new DataShare(ranks.Data.Rank, ranks.Data.Size));
            var (loss, targets) = new Validation(model, ranks).Run(batches, count =>
            {
                rows += count;
                progress.Update(FormattableString.Invariant($"eval: {rows:N0} rows"));
            });
            if (ranks.World.Rank == 0)
                Console.WriteLine(JsonSerializer.Serialize(new Dictionary<string, object> { ["loss"] = loss, ["tokens"] = targets, ["perplexity"] = Math.Exp(loss) }));
            return ExitCode.Done;
        });
    }

    private static DataConfig ReadSettings(IReadOnlyList<ConfigOverride> settings)
    {
        foreach (var setting in settings)
        {
            if (setting.Key is not (ContextKey or MicroBatchKey))
                throw new UsageException($"found {setting.Position}; an evaluation takes {MicroBatchKey} and {ContextKey} only");
        }
        var config = RunConfigReader.Parse("run: { name: eval, steps: 1 }", "eval", settings).Data;
        if (config.MicroBatch < 1) throw new UsageException($"found {MicroBatchKey}={config.MicroBatch}; wanted at least 1");
        if (config.Context < 1) throw new UsageException($"found {ContextKey}={config.Context}; wanted at least 1");
        return config;
    }

    private static ShardCatalog OpenData(string[] data)
    {
        try
        {
            return ShardCatalog.OpenUncounted([.. data.Select(glob => new DataSource(glob))]);
        }
        catch (FileNotFoundException missing)
        {
            throw new UsageException(missing.Message);
        }
    }
}
