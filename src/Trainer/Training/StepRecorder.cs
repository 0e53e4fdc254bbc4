using System.Diagnostics;
using KvShiftScale.Checkpoints.Saving;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Gradients;
using KvShiftScale.Trainer.Planning;
using KvShiftScale.Trainer.Session;
using KvShiftScale.Trainer.Telemetry;
using TorchSharp;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Training;

/// <summary>Makes lines of the log: what a step gave, and what the steps since the line before have taken.</summary>
internal sealed class StepRecorder(LaunchedRun run, TrainingSession session, CheckpointSaver saver)
{
    private const double Tera = 1e12;

    private readonly double _flopsPerToken = ModelCost.TrainingFlopsPerToken(run.Config.Model, run.Config.Data.Context, causal: true);
    private readonly BestRate _best = BestRate.Of(session.Model.Parameters);

    // TFLOP/s of the devices of all ranks together.
    private readonly double? _statedTflops = StatedTflops(run, session.Model.Parameters.Device);
    private bool _hasDoubted;

    // Since the line before: time in steps alone, and tokens in them.
    private double _seconds;
    private long _steps;
    private long _tokens;
    private double _dataWaitSeconds;

    // At the line before.
    private double _dataWaitSecondsAtLine;
    private OverlapTotals _communication;

    /// <summary>Counts a step.</summary>
    /// <param name="outcome">What the step did.</param>
    /// <param name="seconds">How long it took.</param>
    /// <param name="waitSeconds">How long this rank has waited for batches since it began to train.</param>
    public void Add(StepOutcome outcome, double seconds, double waitSeconds)
    {
        _dataWaitSeconds = waitSeconds;
        _seconds += seconds;
        _steps++;
        _tokens += outcome.Tokens;
    }

    /// <summary>The line of the last step; the next one begins to count.</summary>
    /// <param name="outcome">What the step did.</param>
    /// <param name="state">The run after it.</param>
    public StepRecord Take(StepOutcome outcome, TrainingState state)
    {
        // Between steps, and all ranks come here after the same ones.
        _best.MeasureIfDue();
        var communication = session.Reducer.Reduction.Snapshot() + session.Reducer.Gathering.Snapshot();
        var record = StepRecord.Of(new StepWindow
        {
            Step = state.Step,
            Loss = outcome.Loss,
            GradientNorm = outcome.GradientNorm,
            LearningRate = outcome.LearningRate,
            IsSkipped = outcome.Verdict.IsSkip,
            SkippedSteps = state.Guard.SkippedSteps,
            TokensOfRun = state.Tokens,
            Ranks = run.Ranks.World.Size,
            Steps = _steps,
            Tokens = _tokens,
            Seconds = _seconds,
            DataWaitSeconds = _dataWaitSeconds - _dataWaitSecondsAtLine,
            Communication = communication - _communication,
            FlopsPerToken = _flopsPerToken,
            ShareOfStatedPeak = MfuOf,
            ShareOfBestRate = _best.ShareOf,
            PeakMemoryBytes = PeakMemoryBytes(),
            ReadRetries = run.Access.RetryCount,
            SaveWaitSeconds = saver.TakeWaitSeconds(),
            SaveWriteSeconds = saver.TakeWriteSeconds(),
        });
        (_seconds, _steps, _tokens, _dataWaitSecondsAtLine, _communication) = (0, 0, 0, _dataWaitSeconds, communication);
        return record;
    }

    // A device that does more than it is said to do at most is another one than was said.
    private double? MfuOf(double flopsPerRank)
    {
        var ranks = run.Ranks.World.Size;
        var tflops = flopsPerRank * ranks / Tera;
        if (_statedTflops is not { } stated || !double.IsFinite(tflops))
        {
            return null;
        }

        if (tflops <= stated)
        {
            return tflops / stated;
        }

        if (!_hasDoubted && run.IsFirstRank)
        {
            run.Reporter.Warn(FormattableString.Invariant($"no MFU: {tflops / ranks:G4} TFLOP/s on each rank is more than the stated ")
                + FormattableString.Invariant($"peak of {stated / ranks:G4}; correct hardware.peak_tflops"));
        }

        _hasDoubted = true;
        return null;
    }

    // Ranks may have devices of different kinds. Collective where a device has a name.
    private static double? StatedTflops(LaunchedRun run, Device device)
    {
        var world = run.Ranks.World;
        if (run.Config.Hardware.PeakTflops is { } stated)
        {
            return stated * world.Size;
        }

        if (device.type != DeviceType.CUDA)
        {
            return null;
        }

        var peaks = world.AllGatherTexts(StatedPeak.NameOfGpus() ?? "")
            .Select(name => StatedPeak.Tflops(name, run.Config.Precision, backends.cuda.matmul.allow_tf32)).ToArray();
        return peaks.All(peak => peak is not null) ? peaks.Sum() : null;
    }

    private static long PeakMemoryBytes()
    {
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }
}
