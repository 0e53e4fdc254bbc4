using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Reporting;
using KvShiftScale.Trainer.RunFolders;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Training;

/// <summary>report.html of a run and its curves, as the run is now.</summary>
internal sealed class RunReport(RunConfig config, RunFolder folder, RunEnvironment environment, long parameterCount)
{
    /// <summary>Writes the files; ones that are there are replaced.</summary>
    /// <param name="state">The run.</param>
    /// <param name="isRunning">Whether this launch goes on.</param>
    /// <param name="sample">What the model has made of the configuration's prompt; null: nothing yet.</param>
    /// <returns>The run in a few numbers.</returns>
    /// <exception cref="IOException">The disk refuses.</exception>
    /// <exception cref="InvalidDataException">The log has a line that is none.</exception>
    public RunSummary Write(TrainingState state, bool isRunning, string? sample = null)
    {
        var records = MetricsLog.Read(folder.Metrics).ToList();
        if (state.InitialValidationLoss is { } initial)
        {
            records.Insert(0, StepRecord.BeforeTraining(initial));
        }

        HtmlReport.Save(new ReportContent
        {
            RunName = config.Run.Name,
            Records = records,
            PlannedSteps = config.Run.Steps,
            ConfigurationYaml = RunConfigWriter.Write(config),
            ChangedSettings = [.. ConfigValues.Changed(config).Select(setting => (setting.Key, setting.Value, setting.Default))],
            Environment = environment,
            WrittenAt = DateTimeOffset.Now,
            ResumedAfterSteps = state.ResumedAt,
            Checkpoints = [.. folder.Checkpoints.List().Where(checkpoint => !checkpoint.IsPartial).Select(checkpoint => checkpoint.Step).Order()],
            ClipNorm = config.Optimizer.ClipNorm,
            IsRunning = isRunning,
            ParameterCount = parameterCount,
            SamplePrompt = sample is null ? null : config.Run.SamplePrompt,
            SampleText = sample,
        }, folder.Report);
        RunCharts.Loss(records, state.ResumedAt).Save(folder.LossCurve);
        RunCharts.Induction(records, state.ResumedAt)?.Save(folder.InductionCurve);
        return RunSummary.Of(records);
    }
}
