using KvShiftScale.Trainer.BadNumbers;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Tests.BadNumbers;

public sealed class StepGuardTests
{
    [Theory]
    [InlineData(double.NaN, 1, nameof(StepFault.NonFiniteLoss))]
    [InlineData(double.PositiveInfinity, double.NaN, nameof(StepFault.NonFiniteLoss))]
    [InlineData(2, double.NaN, nameof(StepFault.NonFiniteGradNorm))]
    [InlineData(2, double.PositiveInfinity, nameof(StepFault.NonFiniteGradNorm))]
    public void NumbersThatAreNotFiniteAreSkippedWhateverTheRule(double loss, double norm, string fault)
    {
        foreach (var rule in Enum.GetValues<SpikeRule>())
        {
            var guard = new StepGuard(Settings(rule) with { SpikeAction = SpikeAction.Clip });

            var verdict = guard.Decide(loss, norm);

            Assert.Equal(fault, verdict.Fault.ToString());
            Assert.True(verdict.IsSkip);
            Assert.Equal((1, 1), (guard.State.SkippedSteps, guard.State.SkipsInARow));
            Assert.Empty(guard.State.Losses);
            Assert.Empty(guard.State.GradientNorms);
        }
    }

    [Fact]
    public void WithoutARuleNothingFiniteIsASpikeAndNothingIsRemembered()
    {
        var guard = new StepGuard(Settings(SpikeRule.None));
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal(default, guard.Decide(i == 15 ? 1e6 : 2, i == 16 ? 1e6 : 1));
        }

        Assert.Empty(guard.State.Losses);
        Assert.Equal(0, guard.State.SkippedSteps);
    }

    [Fact]
    public void BaichuanRuleComparesWithTheMeanAndNeverSkipsTwiceInARow()
    {
        var guard = new StepGuard(Settings(SpikeRule.BaichuanM1));
        // The window of four is not full.
        foreach (var norm in (double[])[1, 100, 1, 1])
        {
            Assert.Equal(StepFault.None, guard.Decide(2, norm).Fault);
        }

        guard = new StepGuard(Settings(SpikeRule.BaichuanM1));
        foreach (var norm in (double[])[1, 2, 1, 2])
        {
            guard.Decide(2, norm);
        }

        // 1.2 x 1.5 + 0.1.
        Assert.Equal(StepFault.None, guard.Decide(2, 1.9).Fault);
        var spike = guard.Decide(2, 2.19);
        Assert.Equal(StepFault.GradNormSpike, spike.Fault);
        // The oldest has left: (2 + 1 + 2 + 1.9) / 4.
        Assert.Equal(1.2 * 6.9 / 4 + 0.1, spike.Threshold!.Value, 1e-12);
        Assert.True(spike.IsSkip);

        Assert.Equal(StepFault.None, guard.Decide(2, 50).Fault);
        Assert.Equal([1, 2, 1.9, 50], guard.State.GradientNorms);
    }

    [Theory]
    [InlineData(2.9, 1, StepFaultName.None)]
    [InlineData(3.1, 1, StepFaultName.Loss)]
    [InlineData(1, 1, StepFaultName.None)]
    [InlineData(2, 2.01, StepFaultName.Norm)]
    public void ZScoreIsTakenOfLossAndNorm(double loss, double norm, string fault)
    {
        var guard = new StepGuard(Settings(SpikeRule.ZScore) with { SpikeZ = 2 });
        // Losses: mean 2, squares of deviations 0.25 + 0.25 + 0.0 + 0.25, so a deviation of 0.5. Norms: mean 1 and a deviation of 0.5, too.
        foreach (var (l, n) in ((double, double)[])[(1.5, 0.5), (2.5, 1.5), (2, 1), (2, 1)])
        {
            guard.Decide(l, n);
        }

        var deviation = Math.Sqrt(0.5 / 3);

        var verdict = guard.Decide(2 + (loss - 2) * 2 * deviation, 1 + (norm - 1) * 2 * deviation);

        Assert.Equal(fault, verdict.Fault.ToString());
    }

    [Fact]
    public void NearlyEqualNumbersMakeNoSpikes()
    {
        var guard = new StepGuard(Settings(SpikeRule.ZScore));
        for (var i = 0; i < 8; i++)
        {
            guard.Decide(2, 1);
        }

        // Six deviations of a thousandth of the mean.
        Assert.Equal(StepFault.LossSpike, new StepGuard(Settings(SpikeRule.ZScore)) { State = guard.State }.Decide(2.013, 1).Fault);
        Assert.Equal(StepFault.None, guard.Decide(2.011, 1.005).Fault);
    }

    [Fact]
    public void SpikesDoNotRaiseTheMeanAndClippedOnesCountAsClipped()
    {
        var skipping = new StepGuard(Settings(SpikeRule.ZScore));
        var clipping = new StepGuard(Settings(SpikeRule.ZScore) with { SpikeAction = SpikeAction.Clip });
        foreach (var guard in (StepGuard[])[skipping, clipping])
        {
            foreach (var norm in (double[])[1, 3, 1, 3])
            {
                guard.Decide(2, norm);
            }
        }

        Assert.True(skipping.Decide(2, 1000).IsSkip);
        Assert.True(skipping.Decide(2, 1000).IsSkip);
        Assert.Equal((2, 2), (skipping.State.SkippedSteps, skipping.State.SkipsInARow));
        Assert.Equal([1, 3, 1, 3], skipping.State.GradientNorms);

        var clipped = clipping.Decide(2, 1000);
        Assert.False(clipped.IsSkip);
        Assert.Equal(2, clipped.NormBound);
        Assert.Equal([3, 1, 3, 2], clipping.State.GradientNorms);
        Assert.Equal(0, clipping.State.SkippedSteps);
    }

    [Theory]
    [InlineData(nameof(SpikeRule.BaichuanM1))]
    [InlineData(nameof(SpikeRule.ZScore))]
    public void GuardThatGoesOnFromItsStateDecidesAsOneThatNeverStopped(string rule)
    {
        var settings = Settings(Enum.Parse<SpikeRule>(rule)) with { SpikeZ = 1, SpikeWindow = 20 };
        var unbroken = new StepGuard(settings);
        var broken = new StepGuard(settings);
        var random = new Random(5);
        var spikes = 0;
        for (var step = 0; step < 200; step++)
        {
            var (loss, norm) = (random.NextDouble() * 2, random.NextDouble() * 3);
            // As it would come out of a checkpoint: digits that read back to the same bits.
            var state = System.Text.Json.JsonSerializer.Deserialize<StepGuardState>(System.Text.Json.JsonSerializer.Serialize(broken.State))!;
            broken = new StepGuard(settings) { State = state };

            var verdict = unbroken.Decide(loss, norm);

            Assert.Equal(verdict, broken.Decide(loss, norm));
            spikes += verdict.IsSkip ? 1 : 0;
        }
        Assert.InRange(spikes, 5, 150);
        Assert.Equal(unbroken.State.SkippedSteps, broken.State.SkippedSteps);
    }

    [Fact]
    public void ShorterWindowTakesTheNewest()
    {
        var guard = new StepGuard(Settings(SpikeRule.BaichuanM1));
        foreach (var norm in (double[])[9, 9, 1, 1])
        {
            guard.Decide(2, norm);
        }

        var shorter = new StepGuard(Settings(SpikeRule.BaichuanM1) with { SpikeWindow = 2 }) { State = guard.State };

        Assert.Equal(1.3, shorter.Decide(2, 1.31).Threshold!.Value, 1e-12);
    }

    private static RunSection Settings(SpikeRule rule) => new() { Name = "guard", Steps = 1, SpikeRule = rule, SpikeWindow = 4 };

    private static class StepFaultName
    {
        public const string None = nameof(StepFault.None);
        public const string Loss = nameof(StepFault.LossSpike);
        public const string Norm = nameof(StepFault.GradNormSpike);
    }
}
