using System.Text.Json;
using System.Text.Json.Serialization;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Models;
using KvShiftScale.Trainer.Checkpoints;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Generation;
using KvShiftScale.Trainer.ModelFiles;
using KvShiftScale.Trainer.Reporting;
using KvShiftScale.Trainer.Telemetry;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Training;

/// <summary>What a launch leaves for people and scripts at its end: report.html, loss.svg, summary.json.</summary>
internal sealed class RunConclusion(RunConfig config, RunFolder folder, int ranks)
{
    private const int SampleTokens = 96;

    // A model of which no rank has all is read from the checkpoint for the sample, unless that would be too much for the first rank.
    private const long LargestSampleModelBytes = 8L << 30;

    private static readonly JsonSerializerOptions Options = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals
    };

    /// <summary>Writes the files; ones that are there are replaced.</summary>
    public void Write(TrainingState state, KvShiftTransformer model, bool stopped)
    {
        var records = MetricsLog.Read(folder.Metrics).ToList();
        if (state.InitialValidationLoss is { } initial)
        {
            records.Insert(0, BeforeTraining(initial));
        }

        var summary = RunSummary.Of(records);
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
        }, Options) + "\n");

        var sample = stopped ? null : Sample(model, state);
        var content = new ReportContent
        {
            RunName = config.Run.Name,
            Records = records,
            PlannedSteps = config.Run.Steps,
            ConfigurationYaml = RunConfigWriter.Write(config),
            Environment = RunEnvironment.Here(ranks, get_num_threads()),
            WrittenAt = DateTimeOffset.Now,
            ResumedAfterSteps = state.ResumedAt,
            ParameterCount = model.Parameters.GlobalElementCount,
            SamplePrompt = sample is null ? null : config.Run.SamplePrompt,
            SampleText = sample,
        };
        HtmlReport.Save(content, folder.Report);
        RunCharts.Loss(records, state.ResumedAt).Save(folder.LossCurve);
        RunCharts.Induction(records, state.ResumedAt)?.Save(folder.InductionCurve);
    }

    private string? Sample(KvShiftTransformer model, TrainingState state)
    {
        if (config.Data.Tokenizer is null || config.Run.SamplePrompt.Length == 0)
        {
            return null;
        }

        if (config.Parallel.Tensor == 1)
        {
            return Sample(model);
        }

        if (model.Parameters.GlobalElementCount * sizeof(float) > LargestSampleModelBytes)
        {
            return null;
        }

        using var whole = ModelFolder.Read(folder.Checkpoints.PathOf(state.Step));
        return Sample(whole);
    }

    private string Sample(KvShiftTransformer model)
    {
        var generator = new TextGenerator(model, TokenizerModel.Load(config.Data.Tokenizer!));
        return string.Concat(generator.Generate(config.Run.SamplePrompt, new SamplingOptions(SampleTokens, false, 0.8, 0.95, config.Run.Seed)));
    }

    private static StepRecord BeforeTraining(double validationLoss) => new()
    {
        Step = 0,
        Loss = double.NaN,
        Tokens = 0,
        GradNorm = double.NaN,
        Lr = double.NaN,
        TokensPerSecond = double.NaN,
        StepSeconds = double.NaN,
        PeakMemoryBytes = 0,
        ValidationLoss = validationLoss,
    };
}
