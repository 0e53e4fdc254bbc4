using System.Diagnostics;
using KvShiftScale.Models;
using KvShiftScale.Parallel;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Training;

/// <summary>Makes lines of the log: what a step gave, and what the steps since the line before have taken.</summary>
internal sealed class StepRecorder(LaunchedRun run, TrainableModel trained, CheckpointSaver saver)
{
    private readonly double _flopsPerToken = ModelCost.TrainingFlopsPerToken(run.Config.Model, run.Config.Data.Context, causal: true);
    private readonly double _peakFlopsPerSecond =
        PeakProbe.MeasureFlopsPerSecond(trained.Model.Parameters.DataType, trained.Model.Parameters.Device) * run.Ranks.World.Size;

    // Since the line before: time in steps alone, and tokens in them.
    private double _seconds;
    private long _steps;
    private long _tokens;

    // At the line before.
    private double _waitSeconds;
    private OverlapTotals _communication;

    /// <summary>Counts a step.</summary>
    public void Add(StepOutcome outcome, double seconds)
    {
        _seconds += seconds;
        _steps++;
        _tokens += outcome.Tokens;
    }

    /// <summary>The line of the last step; the next one begins to count.</summary>
    /// <param name="outcome">What the step did.</param>
    /// <param name="state">The run after it.</param>
    /// <param name="waitSeconds">How long this rank has waited for batches since it began to train.</param>
    public StepRecord Take(StepOutcome outcome, TrainingState state, double waitSeconds)
    {
        var tokensPerSecond = _tokens / _seconds;
        var communication = trained.Reducer.Reduction.Snapshot() + trained.Reducer.Gathering.Snapshot();
        var communicated = communication - _communication;
        var isAlone = run.Ranks.World.Size == 1;
        var record = new StepRecord
        {
            Step = state.Step,
            Loss = outcome.Loss,
            Tokens = state.Tokens,
            GradNorm = outcome.GradientNorm,
            Lr = outcome.LearningRate,
            TokensPerSecond = tokensPerSecond,
            StepSeconds = _seconds / _steps,
            Mfu = tokensPerSecond * _flopsPerToken / _peakFlopsPerSecond,
            PeakMemoryBytes = PeakMemoryBytes(),
            Skipped = outcome.Verdict.IsSkip,
            SkippedSteps = state.Guard.SkippedSteps,
            DataWaitFraction = Math.Clamp((waitSeconds - _waitSeconds) / _seconds, 0, 1),
            CommunicationHidden = isAlone ? null : communicated.HiddenFraction,
            CommunicationExposedSeconds = isAlone || communicated.Transfer <= 0 ? null : communicated.Exposed / _steps,
            ReadRetries = run.Access.RetryCount,
            SaveSeconds = saver.TakeWaitSeconds() is var waited and > 0 ? waited : null,
            SaveWriteSeconds = saver.TakeWriteSeconds(),
            FailedSaves = saver.Failures,
        };
        (_seconds, _steps, _tokens, _waitSeconds, _communication) = (0, 0, 0, waitSeconds, communication);
        return record;
    }

    private static long PeakMemoryBytes()
    {
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }
}
