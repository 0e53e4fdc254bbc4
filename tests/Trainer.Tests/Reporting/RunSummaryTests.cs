using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Tests.Reporting;

public sealed class RunSummaryTests
{
    [Fact]
    public void NumbersFollowFromTheLog()
    {
        var summary = RunSummary.Of(
        [
            StepRecords.At(0, validationLoss: 8) with { Loss = double.NaN, TokensPerSecond = double.NaN, StepSeconds = double.NaN },
            StepRecords.At(1) with { TokensPerSecond = 100, StepSeconds = 3, Mfu = 0.25, MatmulShare = 0.5, TflopsPerRank = 2, TokensPerSecondPerRank = 50, DataWaitFraction = 0.5 },
            StepRecords.At(4) with { TokensPerSecond = 900, StepSeconds = 2, PeakMemoryBytes = 5 << 20 },
            StepRecords.At(9, validationLoss: 6) with { TokensPerSecond = 300, StepSeconds = 1, Mfu = 0.5, MatmulShare = 0.75, TflopsPerRank = 4, TokensPerSecondPerRank = 150, DataWaitFraction = 0.1 },
            StepRecords.At(19, validationLoss: 5) with { TokensPerSecond = 200, StepSeconds = double.NaN, PeakMemoryBytes = 1 << 20 },
        ]);

        Assert.Equal(19, summary.LastStep);
        Assert.Equal(5, summary.FirstLoss);
        Assert.Equal(0.5, summary.LastLoss);
        Assert.Equal(8, summary.FirstValidationLoss);
        Assert.Equal(5, summary.LastValidationLoss);
        Assert.Equal(19_000, summary.Tokens);

        // 1 step of 3 s, 3 of 2 s, 5 of 1 s; the last record has no duration.
        Assert.Equal(14, summary.TrainingSeconds);

        // Of 100, 200, 300, 900: the mean of the middle two.
        Assert.Equal(250, summary.MedianTokensPerSecond);
        Assert.Equal(0.375, summary.MedianMfu);
        Assert.Equal(0.625, summary.MedianMatmulShare);
        Assert.Equal(3, summary.MedianTflopsPerRank);
        Assert.Equal(100, summary.MedianTokensPerSecondPerRank);

        // 1.5 s of the first 3, and 0.5 s of the last 5 that have a duration; the others do not say.
        Assert.Equal(2.0 / 8, summary.DataWaitFraction!.Value, 1e-12);
        Assert.Equal(5 << 20, summary.PeakMemoryBytes);
    }

    [Fact]
    public void EmptyLogHasNoNumbers()
    {
        var summary = RunSummary.Of([]);

        Assert.Equal(0, summary.LastStep);
        Assert.Null(summary.LastLoss);
        Assert.Null(summary.LastValidationLoss);
        Assert.Null(summary.MedianTokensPerSecond);
        Assert.Null(summary.MedianMfu);
        Assert.Null(summary.MedianMatmulShare);
        Assert.Equal(0, summary.TrainingSeconds);
        Assert.Null(summary.DataWaitFraction);
    }
}
