using KvShiftScale.Trainer.Session;

namespace KvShiftScale.Trainer.Tests.Training;

public sealed class TokenPartTests
{
    [Theory]
    [InlineData(0, 3)]
    [InlineData(1, 4)]
    [InlineData(7, 3)]
    [InlineData(8191, 8)]
    [InlineData(4_194_305, 6)]
    public void PartsAddUpAndDifferByOneAtMost(long total, int count)
    {
        var parts = Enumerable.Range(0, count).Select(index => TrainingStep.PartOf(total, index, count)).ToArray();

        Assert.Equal(total, parts.Sum());
        Assert.InRange(parts.Max() - parts.Min(), 0, 1);
    }
}
