using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Reporting;

/// <summary>A run in a few numbers, from its logged steps.</summary>
public sealed record RunSummary
{
    /// <summary>Last logged step; 0 when nothing is logged.</summary>
    public long LastStep { get; private init; }

    /// <summary>Training loss of the first logged step that was not skipped; null when there is none.</summary>
    public double? FirstLoss { get; private init; }

    /// <summary>Training loss of the last logged step that was not skipped; null when there is none.</summary>
    public double? LastLoss { get; private init; }

    /// <summary>The first validation loss; null when it was never validated.</summary>
    public double? FirstValidationLoss { get; private init; }

    /// <summary>The last validation loss; null when it was never validated.</summary>
    public double? LastValidationLoss { get; private init; }

    /// <summary>Tokens trained on.</summary>
    public long Tokens { get; private init; }

    /// <summary>Time spent in steps, over all launches; validation and checkpoints do not count.</summary>
    public double TrainingSeconds { get; private init; }

    /// <summary>Median throughput over all ranks; null when there is none.</summary>
    public double? MedianTokensPerSecond { get; private init; }

    /// <summary>Median throughput of one rank, mean over ranks; null where unknown.</summary>
    public double? MedianTokensPerSecondPerRank { get; private init; }

    /// <summary>Median rate of the model's operations on one rank, mean over ranks, in TFLOP/s; null where unknown.</summary>
    public double? MedianTflopsPerRank { get; private init; }

    /// <summary>Median model FLOPs utilisation, 0 to 1; null where the devices' peak is unknown.</summary>
    public double? MedianMfu { get; private init; }

    /// <summary>Median share of the best rate that was measured, 0 to 1; null where unknown.</summary>
    public double? MedianMatmulShare { get; private init; }

    /// <summary>Share of the time in steps that the process that logged has waited for data, 0 to 1; null where unknown.</summary>
    public double? DataWaitFraction { get; private init; }

    /// <summary>Largest resident memory of the process that logged.</summary>
    public long PeakMemoryBytes { get; private init; }

    /// <summary>Summarises the lines of a log in their order.</summary>
    public static RunSummary Of(IReadOnlyList<StepRecord> records)
    {
        var training = records.Where(record => record.Step > 0).ToArray();
        var validations = records.Where(record => record.ValidationLoss is not null).ToArray();
        var seconds = 0.0;
        var (waited, measured) = (0.0, 0.0);
        var previousStep = 0L;
        foreach (var record in training)
        {
            var duration = SecondsOf(record, previousStep);
            seconds += duration;
            if (record.DataWaitFraction is { } fraction)
            {
                waited += fraction * duration;
                measured += duration;
            }

            previousStep = record.Step;
        }

        return new RunSummary
        {
            LastStep = previousStep,
            FirstLoss = training.FirstOrDefault(record => !record.Skipped)?.Loss,
            LastLoss = training.LastOrDefault(record => !record.Skipped)?.Loss,
            FirstValidationLoss = validations.FirstOrDefault()?.ValidationLoss,
            LastValidationLoss = validations.LastOrDefault()?.ValidationLoss,
            Tokens = records.Count > 0 ? records[^1].Tokens : 0,
            TrainingSeconds = seconds,
            MedianTokensPerSecond = Median(training.Select(record => record.TokensPerSecond)),
            MedianTokensPerSecondPerRank = Median(training.Select(record => record.TokensPerSecondPerRank ?? double.NaN)),
            MedianTflopsPerRank = Median(training.Select(record => record.TflopsPerRank ?? double.NaN)),
            MedianMfu = Median(training.Select(record => record.Mfu ?? double.NaN)),
            MedianMatmulShare = Median(training.Select(record => record.MatmulShare ?? double.NaN)),
            DataWaitFraction = measured > 0 ? waited / measured : null,
            PeakMemoryBytes = records.Count > 0 ? records.Max(record => record.PeakMemoryBytes) : 0,
        };
    }

    /// <summary>Time spent in the steps of a line of the log; those that were not logged take as long as the one that was.</summary>
    /// <param name="record">The line.</param>
    /// <param name="previousStep">Step of the line before; 0 for the first.</param>
    internal static double SecondsOf(StepRecord record, long previousStep)
        => double.IsFinite(record.StepSeconds) ? record.StepSeconds * (record.Step - previousStep) : 0;

    private static double? Median(IEnumerable<double> values)
    {
        var sorted = values.Where(double.IsFinite).Order().ToArray();
        var middle = sorted.Length / 2;
        return sorted.Length == 0 ? null : sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
