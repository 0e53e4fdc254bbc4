namespace KvShiftScale.Parallel.Pipelines;

/// <summary>
/// When the stages of a pipeline exchange messages, if each waits until the other is there. All passes and messages of a step stand in one order, of
/// which each stage does its own part: the first that is not done yet can always be done, so that stages cannot wait for each other in a circle. The two
/// of a message have it in one order, too, so that what two stages tell each other, in either direction and for any chunk, needs no mark.
/// </summary>
/// <remarks>
/// The order is that of a clock on which a forward pass takes one unit and a backward pass two. A message goes as soon as both stages are between two
/// passes, activations first; then a stage begins its next pass if it has what that needs. Where passes take as long as on the clock, stages wait no
/// longer than they would without messages.
/// </remarks>
public static class PipelineTimetable
{
    private const int ForwardTime = 1;
    private const int BackwardTime = 2;

    /// <summary>What each stage does in a step.</summary>
    /// <param name="stages">Number of stages.</param>
    /// <param name="chunks">Chunks of a stage.</param>
    /// <param name="microBatches">Micro-batches of a step; with several chunks a multiple of <paramref name="stages"/>.</param>
    /// <exception cref="ArgumentException">It is no multiple.</exception>
    public static IReadOnlyList<IReadOnlyList<StageStep>> Of(int stages, int chunks, int microBatches)
    {
        if (chunks > 1 && microBatches % stages != 0)
        {
            throw new ArgumentException($"{microBatches} micro-batches are no multiple of {stages} stages of {chunks} chunks", nameof(microBatches));
        }

        var all = Enumerable.Range(0, stages).ToArray();
        var left = all.Select(stage => new Queue<StagePass>(PipelineOrder.Of(stage, stages, chunks, microBatches))).ToArray();
        var steps = all.Select(_ => new List<StageStep>()).ToArray();
        var received = all.Select(_ => new HashSet<StagePass>()).ToArray();
        var underWay = new (StagePass Pass, int End)?[stages];
        var messages = new List<(int Sender, StagePass Sent, int Receiver, StagePass For)>();
        for (var now = 0; ; now = underWay.Min(pass => pass?.End ?? int.MaxValue))
        {
            foreach (var stage in all.Where(stage => underWay[stage]?.End == now))
            {
                var done = underWay[stage]!.Value.Pass;
                underWay[stage] = null;
                if (done.After(stage, stages, chunks) is { } after)
                {
                    messages.Add((stage, done, after.Stage, after.Pass));
                }
            }

            var possible = messages.Where(message => underWay[message.Sender] is null && underWay[message.Receiver] is null)
                .OrderBy(message => !message.Sent.IsForward).ToArray();
            foreach (var message in possible)
            {
                steps[message.Sender].Add(new StageStep(StageAction.Send, message.Sent));
                steps[message.Receiver].Add(new StageStep(StageAction.Receive, message.For));
                received[message.Receiver].Add(message.For);
                messages.Remove(message);
            }

            foreach (var stage in all.Where(stage => underWay[stage] is null))
            {
                if (left[stage].TryPeek(out var pass) && (pass.Before(stage, stages, chunks) is null || received[stage].Contains(pass)))
                {
                    steps[stage].Add(new StageStep(StageAction.Compute, left[stage].Dequeue()));
                    underWay[stage] = (pass, now + (pass.IsForward ? ForwardTime : BackwardTime));
                }
            }

            if (Array.TrueForAll(underWay, pass => pass is null))
            {
                return steps;
            }
        }
    }
}
