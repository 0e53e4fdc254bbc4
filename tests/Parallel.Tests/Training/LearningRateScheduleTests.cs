using KvShiftScale.Parallel.Optimization;

namespace KvShiftScale.Parallel.Tests.Training;

public sealed class LearningRateScheduleTests
{
    private static readonly OptimizerConfig Config = new() { Lr = 0.8, WarmupSteps = 4, FinalLrFraction = 0.25 };

    [Theory]
    [InlineData(1, 0.2)]
    [InlineData(2, 0.4)]
    [InlineData(3, 0.6)]
    [InlineData(4, 0.8)]
    [InlineData(5, 0.8)]
    [InlineData(1_000_000, 0.8)]
    public void ConstantRisesInEqualStepsAndStays(long step, double expected)
        => Assert.Equal(expected, new LearningRateSchedule(Config with { Decay = LearningRateDecay.Constant }, 12).At(step), 12);

    // After the warm-up 8 steps of half a cosine from 0.8 to 0.2, whose middle is 0.5: a quarter of the way is at 0.5 + 0.3 / sqrt 2.
    [Theory]
    [InlineData(2, 0.4)]
    [InlineData(4, 0.8)]
    [InlineData(6, 0.71213203435596)]
    [InlineData(8, 0.5)]
    [InlineData(10, 0.28786796564404)]
    [InlineData(12, 0.2)]
    [InlineData(40, 0.2)]
    public void CosineFallsToTheFractionAtTheLastStep(long step, double expected)
        => Assert.Equal(expected, new LearningRateSchedule(Config with { Decay = LearningRateDecay.Cosine }, 12).At(step), 12);

    [Theory]
    [InlineData(4, 0.8)]
    [InlineData(6, 0.65)]
    [InlineData(8, 0.5)]
    [InlineData(12, 0.2)]
    [InlineData(13, 0.2)]
    public void LinearFallsInEqualSteps(long step, double expected)
        => Assert.Equal(expected, new LearningRateSchedule(Config with { Decay = LearningRateDecay.Linear }, 12).At(step), 12);

    // 4 steps of warm-up, 5 at the peak, 3 from 0.8 to 0.2.
    [Theory]
    [InlineData(3, 0.6)]
    [InlineData(4, 0.8)]
    [InlineData(9, 0.8)]
    [InlineData(10, 0.6)]
    [InlineData(11, 0.4)]
    [InlineData(12, 0.2)]
    [InlineData(99, 0.2)]
    public void PlateauEndsWhereTheLastStepsBegin(long step, double expected)
        => Assert.Equal(expected, new LearningRateSchedule(Config with { Decay = LearningRateDecay.Wsd, DecaySteps = 3 }, 12).At(step), 12);

    [Theory]
    [InlineData(200, 0, 180)]
    [InlineData(209, 0, 189)]
    [InlineData(9, 0, 8)]
    [InlineData(200, 50, 150)]
    [InlineData(200, 500, 4)]
    public void PlateauLeavesATenthUnlessToldOtherwiseAndNeverTheWarmUp(long steps, int decaySteps, long end)
    {
        var schedule = new LearningRateSchedule(Config with { Decay = LearningRateDecay.Wsd, DecaySteps = decaySteps }, steps);

        Assert.Equal(end, schedule.PlateauEnd);
        Assert.Equal(0.8, schedule.At(end), 12);
        Assert.True(schedule.At(end + 1) < 0.8);
    }

    // What makes a plateau worth having: a run that is still on it may become longer, and nothing that was done would have been another.
    [Fact]
    public void LongerRunHasTheSamePlateau()
    {
        var config = Config with { Decay = LearningRateDecay.Wsd, DecaySteps = 20 };

        Assert.All(Enumerable.Range(1, 80), step => Assert.Equal(new LearningRateSchedule(config, 100).At(step), new LearningRateSchedule(config, 1000).At(step)));
        Assert.NotEqual(new LearningRateSchedule(config, 100).At(81), new LearningRateSchedule(config, 1000).At(81));
    }

    [Fact]
    public void WithoutWarmUpTheFirstStepHasThePeak()
        => Assert.Equal(0.8, new LearningRateSchedule(Config with { WarmupSteps = 0, Decay = LearningRateDecay.Constant }, 12).At(1));

    [Fact]
    public void RunThatEndsWithinItsWarmUpStaysBelowThePeak()
        => Assert.Equal(0.4, new LearningRateSchedule(Config with { Decay = LearningRateDecay.Cosine }, 2).At(2), 12);

    [Fact]
    public void StepsCountFromOne()
        => Assert.Throws<ArgumentOutOfRangeException>(() => new LearningRateSchedule(Config, 12).At(0));
}
