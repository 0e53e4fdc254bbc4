using System.Text.Json;
using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Core.Configuration;
using KvShiftScale.Core.Files;
using KvShiftScale.Core.Text;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Models;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Generation;
using KvShiftScale.Trainer.Reporting;
using KvShiftScale.Trainer.RunFolders;

namespace KvShiftScale.Trainer.Training;

/// <summary>What a launch leaves for people and scripts at its end: report.html, loss.svg, summary.json.</summary>
internal sealed class RunConclusion(RunConfig config, RunFolder folder, RunReport report)
{
    private const int SampleTokens = 96;

    // A model of which no rank has all is read from the checkpoint for the sample, unless that would be too much for the first rank.
    private const long LargestSampleModelBytes = 8L << 30;

    private RunSummary _summary = RunSummary.Of([]);

    /// <summary>
    /// Every step of a run is done, what was due after the last one is measured, and the report is written: a launch has nothing to do.
    /// All ranks have the same answer. Collective.
    /// </summary>
    public static bool IsComplete(LaunchedRun run, TrainingState state)
        => state.Step > 0 && state.Step >= run.Config.Run.Steps && state.Unmeasured is null
            && run.Ranks.BroadcastText(run.IsFirstRank && File.Exists(run.Folder.Report) && IsSummaryOf(run.Folder, state) ? "written" : "").Length > 0;

    /// <summary>What a launch says that finds a run complete.</summary>
    public static string Complete(RunConfig config, long step)
    {
        var further = config.Optimizer.Decay == LearningRateDecay.Constant ? ""
            : $" (its learning rate has fallen to the end of optimizer.decay: {ConfigKeys.NameOf(config.Optimizer.Decay.ToString())}, so that this also takes {ChangedSettings.AcceptOption})";
        return step == config.Run.Steps
            ? FormattableString.Invariant($"complete: all {step} steps are done; raise run.steps to go on{further}")
            : FormattableString.Invariant($"complete: {step} steps are done and run.steps is {config.Run.Steps}; set run.steps above {step} to go on{further}");
    }

    /// <summary>What a run came to, and what can be done with it.</summary>
    public string Done(TrainingState state)
    {
        var first = state.InitialValidationLoss ?? _summary.FirstValidationLoss;
        var result = (first, _summary.LastValidationLoss) is ({ } before, { } after)
            ? $"validation {Quantity.Loss(before)} -> {Quantity.Loss(after)}"
            : $"loss {Quantity.Loss(_summary.FirstLoss)} -> {Quantity.Loss(_summary.LastLoss)}";
        var model = ShellWord(folder.Checkpoints.PathOf(state.Step));
        var next = config.Data.Tokenizer is null
            ? $"./launch/kvshift eval --model {model} --data SHARDS"
            : $"./launch/kvshift generate --model {model} --prompt {ShellWord(config.Run.SamplePrompt.Length > 0 ? config.Run.SamplePrompt : "The")}";
        return $"done: {result}; report {folder.Report}; try: {next}";
    }

    // As a shell takes it for one word.
    private static string ShellWord(string text)
        => text.All(letter => char.IsAsciiLetterOrDigit(letter) || "/._-+=:@%".Contains(letter, StringComparison.Ordinal))
            ? text
            : $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    private static bool IsSummaryOf(RunFolder folder, TrainingState state)
    {
        try
        {
            using var summary = JsonDocument.Parse(File.ReadAllBytes(folder.Summary));
            return summary.RootElement.GetProperty("step").GetInt64() == state.Step && summary.RootElement.GetProperty("finished").GetBoolean();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException or InvalidOperationException)
        {
            // What is missing or cut short is written again.
            return false;
        }
    }

    /// <summary>Writes the files; ones that are there are replaced.</summary>
    public void Write(TrainingState state, KvShiftTransformer model, bool stopped)
    {
        var sample = stopped ? null : Sample(model, state);
        var summary = _summary = report.Write(state, isRunning: false, sample);
        DurableFile.Replace(folder.Summary, JsonSerializer.Serialize(new
        {
            state.Step,
            state.Tokens,
            Finished = !stopped,
            FirstValidationLoss = state.InitialValidationLoss,
            summary.LastValidationLoss,
            summary.LastLoss,
            summary.MedianTokensPerSecond,
            summary.MedianTflopsPerRank,
            summary.MedianMfu,
            summary.MedianMatmulShare,
            summary.TrainingSeconds,
        }, RecordJson.Document) + "\n");
    }

    private string? Sample(KvShiftTransformer model, TrainingState state)
    {
        if (config.Data.Tokenizer is null || config.Run.SamplePrompt.Length == 0)
        {
            return null;
        }

        if (config.Parallel is { Pipeline: 1, Tensor: 1 })
        {
            return Sample(model);
        }

        if (model.ParameterCount * sizeof(float) > LargestSampleModelBytes)
        {
            return null;
        }

        using var whole = ModelSource.Read(folder.Checkpoints.PathOf(state.Step));
        return Sample(whole);
    }

    private string Sample(KvShiftTransformer model)
    {
        var generator = new TextGenerator(model, TokenizerModel.Load(config.Data.Tokenizer!));
        return string.Concat(generator.Generate(config.Run.SamplePrompt, new SamplingOptions(SampleTokens, false, 0.8, 0.95, config.Run.Seed)));
    }
}
