using KvShiftScale.Parallel.Pipelines;

namespace KvShiftScale.Parallel.Tests.Pipelines;

/// <summary>Plays what all stages of a pipeline do in a step against each other, on a clock.</summary>
internal static class PipelinePlayer
{
    /// <summary>Stages 2 to 8 with 1 to 4 chunks.</summary>
    public static TheoryData<int, int> Pipelines
    {
        get
        {
            var all = new TheoryData<int, int>();
            foreach (var stages in Enumerable.Range(2, 7))
            {
                foreach (var chunks in Enumerable.Range(1, 4))
                {
                    all.Add(stages, chunks);
                }
            }

            return all;
        }
    }

    /// <summary>Numbers of micro-batches up to 32: all with one chunk, else the multiples of the stages.</summary>
    public static IEnumerable<int> MicroBatchesOf(int stages, int chunks) => Enumerable.Range(1, 32).Where(count => chunks == 1 || count % stages == 0);

    /// <summary>Units of time until the last stage is done, where each pass takes one and begins as soon as its stage is free and what it needs is made.</summary>
    public static int UnitsWithoutMessages(int stages, int chunks, int microBatches)
    {
        var left = Enumerable.Range(0, stages).Select(stage => new Queue<StagePass>(PipelineOrder.Of(stage, stages, chunks, microBatches))).ToArray();
        var made = new HashSet<(int Stage, StagePass Pass)>();
        for (var units = 0; ; units++)
        {
            if (left.All(passes => passes.Count == 0))
            {
                return units;
            }

            var now = Enumerable.Range(0, stages)
                .Where(stage => left[stage].TryPeek(out var pass) && (pass.Before(stage, stages, chunks) is not { } before || made.Contains(before))).ToList();
            Assert.NotEmpty(now);
            made.UnionWith(now.Select(stage => (stage, left[stage].Dequeue())).ToList());
        }
    }

    /// <summary>Units of time until the last stage is done, where sender and receiver of a message wait for each other.</summary>
    /// <param name="steps">What each stage does.</param>
    /// <param name="chunks">Chunks of a stage.</param>
    /// <param name="forward">Units of a forward pass.</param>
    /// <param name="backward">Units of a backward pass.</param>
    /// <param name="endsMeetAfterBackward">Whether the first and the last stage also wait for each other when they are done with a backward pass.</param>
    public static int Units(IReadOnlyList<IReadOnlyList<StageStep>> steps, int chunks, int forward, int backward, bool endsMeetAfterBackward = false)
    {
        var stages = steps.Count;
        var (next, clock, meetings) = (new int[stages], new int[stages], new int[stages]);
        var has = Enumerable.Range(0, stages).Select(_ => new HashSet<StagePass>()).ToArray();
        var made = Enumerable.Range(0, stages).Select(_ => new HashSet<StagePass>()).ToArray();
        for (var hasGotOn = true; hasGotOn;)
        {
            hasGotOn = false;
            for (var stage = 0; stage < stages; stage++)
            {
                while (next[stage] < steps[stage].Count && !Waits(stage) && TryStep(stage, steps[stage][next[stage]]))
                {
                    hasGotOn = true;
                }
            }
        }

        Assert.Equal(steps.Select(ofStage => ofStage.Count), next);
        return clock.Max();

        bool TryStep(int stage, StageStep step)
        {
            switch (step.Action)
            {
                case StageAction.Compute:
                    Assert.True(step.Pass.Before(stage, stages, chunks) is null || has[stage].Contains(step.Pass), $"stage {stage} has nothing to begin {step} with");
                    Assert.True(step.Pass.IsForward || made[stage].Contains(step.Pass with { IsForward = true }), $"stage {stage}: {step} before its forward");
                    clock[stage] += step.Pass.IsForward ? forward : backward;
                    made[stage].Add(step.Pass);
                    next[stage]++;
                    Meet(stage, step);
                    return true;
                case StageAction.Send:
                    return false;
                default:
                    // A receiver takes what the other sends it first: nothing else tells messages apart.
                    var (sender, pass) = step.Pass.Before(stage, stages, chunks)!.Value;
                    if (next[sender] == steps[sender].Count || Waits(sender) || steps[sender][next[sender]] is not { Action: StageAction.Send } sent
                        || ReceiverOf(sender, sent.Pass) != stage)
                    {
                        return false;
                    }

                    Assert.Equal(pass, sent.Pass);
                    Assert.Contains(sent.Pass, made[sender]);
                    has[stage].Add(step.Pass);
                    clock[stage] = clock[sender] = Math.Max(clock[stage], clock[sender]);
                    next[stage]++;
                    next[sender]++;
                    Meet(sender, sent);
                    return true;
            }
        }

        int ReceiverOf(int sender, StagePass pass) => (sender + (pass.IsForward ? 1 : stages - 1)) % stages;

        // The first stage is done with its backward when it has computed it, others when they have given the gradient back.
        void Meet(int stage, StageStep step)
        {
            if (endsMeetAfterBackward && !step.Pass.IsForward && step.Action == (stage == 0 ? StageAction.Compute : StageAction.Send))
            {
                Assert.Equal(step.Pass.MicroBatch, meetings[stage]);
                meetings[stage]++;
                Assert.True(made[stage].Count(pass => !pass.IsForward) == meetings[stage], $"stage {stage} computes a backward before it has given back the one before");
            }
        }

        bool Waits(int stage) => (stage == 0 || stage == stages - 1) && meetings[stage] > meetings[stages - 1 - stage];
    }
}
