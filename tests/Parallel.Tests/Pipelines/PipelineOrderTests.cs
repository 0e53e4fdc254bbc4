using KvShiftScale.Parallel.Pipelines;

namespace KvShiftScale.Parallel.Tests.Pipelines;

/// <summary>The order of a stage's passes, and how long stages that begin a pass as soon as they can take with it.</summary>
public sealed class PipelineOrderTests
{
    [Theory]
    [InlineData(0, 2, 1, "F0 B0")]
    [InlineData(1, 2, 1, "F0 B0")]
    [InlineData(0, 2, 3, "F0 F1 B0 F2 B1 B2")]
    [InlineData(1, 2, 3, "F0 B0 F1 B1 F2 B2")]
    [InlineData(0, 4, 3, "F0 F1 F2 B0 B1 B2")]
    [InlineData(1, 4, 3, "F0 F1 F2 B0 B1 B2")]
    [InlineData(2, 4, 3, "F0 F1 B0 F2 B1 B2")]
    [InlineData(3, 4, 3, "F0 B0 F1 B1 F2 B2")]
    [InlineData(0, 4, 8, "F0 F1 F2 F3 B0 F4 B1 F5 B2 F6 B3 F7 B4 B5 B6 B7")]
    [InlineData(1, 4, 8, "F0 F1 F2 B0 F3 B1 F4 B2 F5 B3 F6 B4 F7 B5 B6 B7")]
    [InlineData(3, 4, 8, "F0 B0 F1 B1 F2 B2 F3 B3 F4 B4 F5 B5 F6 B6 F7 B7")]
    [InlineData(0, 1, 3, "F0 B0 F1 B1 F2 B2")]
    public void AStageGoesAheadByTheStagesAfterItAndThenAlternates(int stage, int stages, int microBatches, string order)
        => Assert.Equal(order, string.Join(' ', PipelineOrder.Of(stage, stages, 1, microBatches)));

    [Theory]
    [InlineData(0, 2, 2, 2, "F0 F1 F0.1 F1.1 B0.1 B1.1 B0 B1")]
    [InlineData(1, 2, 2, 2, "F0 F1 F0.1 B0.1 F1.1 B1.1 B0 B1")]
    [InlineData(0, 2, 2, 4, "F0 F1 F0.1 F1.1 F2 B0.1 F3 B1.1 F2.1 B0 F3.1 B1 B2.1 B3.1 B2 B3")]
    [InlineData(1, 2, 2, 4, "F0 F1 F0.1 B0.1 F1.1 B1.1 F2 B0 F3 B1 F2.1 B2.1 F3.1 B3.1 B2 B3")]
    [InlineData(2, 3, 3, 3, "F0 F1 F2 F0.1 F1.1 F2.1 F0.2 B0.2 F1.2 B1.2 F2.2 B2.2 B0.1 B1.1 B2.1 B0 B1 B2")]
    public void ChunksTakeAsManyMicroBatchesInTurnAsThereAreStages(int stage, int stages, int chunks, int microBatches, string order)
        => Assert.Equal(order, string.Join(' ', PipelineOrder.Of(stage, stages, chunks, microBatches)));

    public static TheoryData<int, int> Pipelines => PipelinePlayer.Pipelines;

    [Theory]
    [MemberData(nameof(Pipelines))]
    public void StagesWaitAsLongAsTheFormulaOfTheBubbleSaysAndHoldNoMoreThanPlanned(int stages, int chunks)
    {
        foreach (var microBatches in PipelinePlayer.MicroBatchesOf(stages, chunks))
        {
            // Each pass takes one unit of time: twice as many as chunks of micro-batches, and a pass through each other stage and back.
            Assert.Equal(2 * (chunks * microBatches + stages - 1), PipelinePlayer.UnitsWithoutMessages(stages, chunks, microBatches));
            for (var stage = 0; stage < stages; stage++)
            {
                var passes = PipelineOrder.Of(stage, stages, chunks, microBatches).ToList();
                Assert.Equal(2 * chunks * microBatches, passes.Distinct().Count());
                var held = 0;
                Assert.Equal(PipelineOrder.MostHeld(stage, stages, chunks, microBatches), passes.Max(pass => held += pass.IsForward ? 1 : -1));
                for (var chunk = 0; chunk < chunks; chunk++)
                {
                    var all = Enumerable.Range(0, microBatches);
                    Assert.Equal(all, passes.Where(pass => pass.IsForward && pass.Chunk == chunk).Select(pass => pass.MicroBatch));
                    Assert.Equal(all, passes.Where(pass => !pass.IsForward && pass.Chunk == chunk).Select(pass => pass.MicroBatch));
                }
            }
        }
    }
}
