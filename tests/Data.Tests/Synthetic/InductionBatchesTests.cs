using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Synthetic;
namespace KvShiftScale.Data.Tests.Synthetic;

public sealed class InductionBatchesTests
{
    private static readonly InductionTask Single =
        new() { Generator = InductionGenerator.SingleRepeat, VocabularySize = 40, Candidates = 12, Context = 13 };

    private static readonly InductionTask Successors =
        new() { Generator = InductionGenerator.Successors, VocabularySize = 40, Candidates = 12, Context = 50 };

    [Fact]
    public void SingleRepeatAsksForWhatFollowedTheOneRepeatedId()
    {
        var places = new HashSet<int>();
        foreach (var (inputs, targets) in Rows(Single, 300))
        {
            var distinct = inputs[..12];
            Assert.Equal(12, distinct.Distinct().Count());
            Assert.All(inputs, id => Assert.InRange(id, 0, 39));
            var place = Array.IndexOf(distinct, inputs[12]);
            Assert.Equal(distinct[place + 1], targets[12]);
            Assert.All(targets[..12], target => Assert.Equal(TokenBatch.IgnoredTarget, target));
            places.Add(place);
        }
        // Every place but the last, which nothing follows.
        Assert.Equal(Enumerable.Range(0, 11), places.Order());
    }

    [Fact]
    public void AnsweredIsWhatFollowedTheMostRecentOccurrence()
    {
        var asked = 0;
        foreach (var (inputs, targets) in Rows(Successors, 300))
        {
            Assert.True(inputs.Distinct().Count() <= 12);
            var isAnswer = false;
            for (var i = 0; i < inputs.Length; i++)
            {
                if (i > 0)
                {
                    Assert.NotEqual(inputs[i - 1], inputs[i]);
                }

                var before = i == 0 ? -1 : Array.LastIndexOf(inputs, inputs[i], i - 1);
                // An answer is appended without being asked about in turn; any other token that has a successor is asked about.
                var wanted = isAnswer || before < 0 ? TokenBatch.IgnoredTarget : inputs[before + 1];
                Assert.Equal(wanted, targets[i]);
                if (wanted == TokenBatch.IgnoredTarget)
                {
                    isAnswer = false;
                    continue;
                }
                if (i + 1 < inputs.Length)
                {
                    Assert.Equal(wanted, inputs[i + 1]);
                }

                isAnswer = true;
                asked++;
            }
        }
        // About 16 of 50 places; far fewer would mean that the rule above was hardly tried.
        Assert.InRange(asked, 300 * 8, 300 * 25);
    }

    [Fact]
    public void ARowDependsOnSeedStreamAndNumberAlone()
    {
        var whole = Rows(Successors, 12, rowsPerBatch: 12);
        var parts = Rows(Successors, 12, rowsPerBatch: 3);
        for (var row = 0; row < 12; row++)
        {
            Assert.Equal(whole[row].Inputs, parts[row].Inputs);
            Assert.Equal(whole[row].Targets, parts[row].Targets);
        }
        Assert.NotEqual(whole[0].Inputs, whole[1].Inputs);
        Assert.NotEqual(whole[0].Inputs, Rows(Successors, 1, seed: 8)[0].Inputs);
        Assert.NotEqual(whole[0].Inputs, Rows(Successors, 1, stream: 1)[0].Inputs);
    }

    [Fact]
    public void BatchesCountTheirAnswersAndFillPositions()
    {
        using var batch = new InductionBatches(Successors, seed: 1, stream: 0, rowsPerStep: 8, rowsPerBatch: 4).Next();

        Assert.Equal(batch.Targets.LongCount(target => target != TokenBatch.IgnoredTarget), batch.ValidTargets);
        Assert.Equal(Enumerable.Repeat(Enumerable.Range(0, 50), 4).SelectMany(row => row), batch.Positions);
    }

    [Theory]
    [InlineData(InductionGenerator.SingleRepeat, 40, 12, 12)]
    [InlineData(InductionGenerator.Successors, 10, 12, 30)]
    [InlineData(InductionGenerator.Successors, 10, 2, 30)]
    [InlineData(InductionGenerator.Successors, 10, 5, 1)]
    public void SizesThatDoNotFitAreRefused(InductionGenerator generator, int vocabulary, int candidates, int context) =>
        Assert.Throws<ArgumentException>(() => new InductionBatches(
            new InductionTask { Generator = generator, VocabularySize = vocabulary, Candidates = candidates, Context = context }, 1, 0, 4, 4));

    [Fact]
    public void AStepIsAWholeNumberOfBatches()
    {
        Assert.Equal(2, new InductionBatches(Single, 1, 0, 8, 4).MicroBatchesPerStep);
        Assert.Throws<ArgumentException>(() => new InductionBatches(Single, 1, 0, 8, 3));
        Assert.Throws<ArgumentException>(() => new InductionBatches(Single, 1, 0, 2, 4));
    }

    private static List<(int[] Inputs, int[] Targets)> Rows(InductionTask task, int count, long seed = 7, int stream = 0, int rowsPerBatch = 1)
    {
        var batches = new InductionBatches(task, seed, stream, rowsPerBatch, rowsPerBatch);
        var rows = new List<(int[], int[])>();
        while (rows.Count < count)
        {
            using var batch = batches.Next();
            for (var row = 0; row < batch.Rows; row++)
            {
                var range = (row * task.Context)..((row + 1) * task.Context);
                rows.Add((batch.Inputs[range], batch.Targets[range]));
            }
        }
        return rows;
    }
}
