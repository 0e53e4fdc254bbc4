using KvShiftScale.Trainer.Session;

namespace KvShiftScale.Trainer.Tests.Session;

/// <summary>The order of a stage's passes, and that stages which wait for each other come to an end with it.</summary>
public sealed class PipelineOrderTests
{
    [Theory]
    [InlineData(0, 2, 1, "F0 B0")]
    [InlineData(1, 2, 1, "F0 B0")]
    [InlineData(0, 2, 3, "F0 F1 B0 F2 B1 B2")]
    [InlineData(1, 2, 3, "F0 B0 F1 B1 F2 B2")]
    [InlineData(0, 2, 8, "F0 F1 B0 F2 B1 F3 B2 F4 B3 F5 B4 F6 B5 F7 B6 B7")]
    [InlineData(1, 2, 8, "F0 B0 F1 B1 F2 B2 F3 B3 F4 B4 F5 B5 F6 B6 F7 B7")]
    [InlineData(0, 4, 1, "F0 B0")]
    [InlineData(0, 4, 3, "F0 F1 F2 B0 B1 B2")]
    [InlineData(1, 4, 3, "F0 F1 F2 B0 B1 B2")]
    [InlineData(2, 4, 3, "F0 F1 B0 F2 B1 B2")]
    [InlineData(3, 4, 3, "F0 B0 F1 B1 F2 B2")]
    [InlineData(0, 4, 8, "F0 F1 F2 F3 B0 F4 B1 F5 B2 F6 B3 F7 B4 B5 B6 B7")]
    [InlineData(1, 4, 8, "F0 F1 F2 B0 F3 B1 F4 B2 F5 B3 F6 B4 F7 B5 B6 B7")]
    [InlineData(2, 4, 8, "F0 F1 B0 F2 B1 F3 B2 F4 B3 F5 B4 F6 B5 F7 B6 B7")]
    [InlineData(3, 4, 8, "F0 B0 F1 B1 F2 B2 F3 B3 F4 B4 F5 B5 F6 B6 F7 B7")]
    [InlineData(0, 1, 3, "F0 B0 F1 B1 F2 B2")]
    public void AStageGoesAheadByTheStagesAfterItAndThenAlternates(int stage, int stages, int microBatches, string order)
        => Assert.Equal(order, string.Join(' ', PipelineOrder.Of(stage, stages, microBatches)));

    // Each pass takes one unit of time, begins when what it needs has come, and not before the one before it on its stage has ended.
    [Theory]
    [InlineData(2, 1)]
    [InlineData(2, 3)]
    [InlineData(2, 8)]
    [InlineData(4, 1)]
    [InlineData(4, 3)]
    [InlineData(4, 8)]
    public void StagesThatWaitForEachOtherTakeTheTimeOfTheBubbleAndHoldNoMoreThanTheStagesFromThemOn(int stages, int microBatches)
    {
        var ends = new Dictionary<(int Stage, StagePass Pass), int>();
        var left = Enumerable.Range(0, stages).Select(stage => new Queue<StagePass>(PipelineOrder.Of(stage, stages, microBatches))).ToArray();
        var free = new int[stages];
        for (var hasGotOn = true; hasGotOn;)
        {
            hasGotOn = false;
            for (var stage = 0; stage < stages; stage++)
            {
                while (left[stage].TryPeek(out var pass) && Begin(stage, pass) is { } begin)
                {
                    left[stage].Dequeue();
                    ends[(stage, pass)] = free[stage] = begin + 1;
                    hasGotOn = true;
                }
            }
        }

        Assert.All(left, Assert.Empty);
        var length = free.Max();
        Assert.Equal(2 * (microBatches + stages - 1), length);
        for (var stage = 0; stage < stages; stage++)
        {
            var held = 0;
            var most = PipelineOrder.Of(stage, stages, microBatches).Max(pass => held += pass.IsForward ? 1 : -1);
            Assert.Equal(Math.Min(stages - stage, microBatches), most);
        }

        int? Begin(int stage, StagePass pass)
        {
            var before = pass.IsForward ? stage - 1 : stage + 1;
            return before < 0 || before >= stages ? free[stage] : ends.TryGetValue((before, pass), out var end) ? Math.Max(end, free[stage]) : null;
        }
    }
}
