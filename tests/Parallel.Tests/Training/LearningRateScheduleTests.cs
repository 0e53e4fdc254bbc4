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
