using KvShiftScale.Parallel.Pipelines;

namespace KvShiftScale.Parallel.Tests.Pipelines;

/// <summary>Stages that all wait in each message until the other is there, played against each other.</summary>
public sealed class PipelineTimetableTests
{
    public static TheoryData<int, int> Pipelines => PipelinePlayer.Pipelines;

    [Theory]
    [MemberData(nameof(Pipelines))]
    public void StagesThatMeetForEachMessageComeToAnEndAndGetWhatTheyNeed(int stages, int chunks)
    {
        foreach (var microBatches in PipelinePlayer.MicroBatchesOf(stages, chunks))
        {
            var steps = PipelineTimetable.Of(stages, chunks, microBatches);
            for (var stage = 0; stage < stages; stage++)
            {
                Assert.Equal(PipelineOrder.Of(stage, stages, chunks, microBatches), steps[stage].Where(step => step.Action == StageAction.Compute).Select(step => step.Pass));
            }

            // It fails where nobody gets on, where a message is not the one that the receiver waits for, and where a pass has not what it begins with.
            var units = PipelinePlayer.Units(steps, chunks, forward: 1, backward: 2);
            // No more than without messages: three units for each chunk of a micro-batch, and for a pass through each other stage and back.
            Assert.Equal(3 * (chunks * microBatches + stages - 1), units);
        }
    }

    // With one chunk, sums of a leaf's gradients may be taken by both ends of a pipeline together.
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(8)]
    public void OfOneChunkAGradientIsGivenBackBeforeTheNextBackwardAndBothEndsCanMeetBetween(int stages)
    {
        for (var microBatches = 1; microBatches <= 32; microBatches++)
        {
            var units = PipelinePlayer.Units(PipelineTimetable.Of(stages, 1, microBatches), 1, forward: 1, backward: 2, endsMeetAfterBackward: true);
            // The last stage waits for each micro-batch's way back through all others.
            Assert.InRange(units, 3 * (microBatches + stages - 1), 3 * microBatches * stages);
        }
    }

    [Fact]
    public void AStageSendsBothWaysToItsOnlyNeighbour()
        => Assert.Equal("F0, send F0, F1, send F1, receive F0.1, F0.1, send F0.1, receive F1.1, F1.1, send F1.1, "
            + "receive B0.1, B0.1, send B0.1, receive B1.1, B1.1, send B1.1, receive B0, B0, receive B1, B1",
            string.Join(", ", PipelineTimetable.Of(2, 2, 2)[0]));

    [Fact]
    public void ChunksNeedAMultipleOfTheStagesOfMicroBatches()
        => Assert.Throws<ArgumentException>(() => PipelineTimetable.Of(4, 2, 6));
}
