using KvShiftScale.Trainer.Experiments.Induction;

namespace KvShiftScale.Trainer.Tests.Experiments;

public sealed class InductionScoreTests
{
    [Fact]
    public void FirstAnswersAndAllAnswersAreCountedApart()
    {
        var score = new InductionScore();

        // Rows of 4: two answers of which the first is right; two of which the second is right; one that asks for nothing.
        score.Add([-100, 5, -100, 6, -100, 7, 8, -100], [1, 5, 1, 9, 1, 1, 8, 1], context: 4);
        score.Add([-100, -100, -100, -100], [1, 2, 3, 4], context: 4);

        Assert.Equal(2, score.Sequences);
        Assert.Equal(0.5, score.Accuracy);
        Assert.Equal(0.5, score.AccuracyOfAll);

        score.Add([3, 3, 3, 3], [3, 1, 1, 1], context: 4);

        Assert.Equal(2.0 / 3, score.Accuracy, 1e-12);
        Assert.Equal(3.0 / 8, score.AccuracyOfAll, 1e-12);
    }
}
