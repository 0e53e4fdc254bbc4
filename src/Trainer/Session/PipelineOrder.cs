namespace KvShiftScale.Trainer.Session;

/// <summary>A micro-batch's way through a stage, in one direction.</summary>
/// <param name="IsForward">False: backward.</param>
/// <param name="MicroBatch">Number in the step, from 0.</param>
internal readonly record struct StagePass(bool IsForward, int MicroBatch)
{
    /// <inheritdoc/>
    public override string ToString() => $"{(IsForward ? 'F' : 'B')}{MicroBatch}";
}

/// <summary>
/// One forward, one backward (Narayanan et al. 2019, with a flush after each step): a stage takes in as many micro-batches as stages come after it,
/// then one backward follows each forward, and at the end what is left goes backward. So a stage holds the activations of no more micro-batches than
/// there are stages from it on, however many a step has.
/// </summary>
internal static class PipelineOrder
{
    /// <summary>What a stage does in a step, in this order. Micro-batches keep theirs in both directions.</summary>
    /// <param name="stage">From 0.</param>
    /// <param name="stages">Number of stages.</param>
    /// <param name="microBatches">Micro-batches of a step.</param>
    public static IEnumerable<StagePass> Of(int stage, int stages, int microBatches)
    {
        var ahead = Math.Min(stages - 1 - stage, microBatches);
        for (var forward = 0; forward < ahead; forward++)
        {
            yield return new StagePass(IsForward: true, forward);
        }

        for (var backward = 0; backward < microBatches; backward++)
        {
            if (backward + ahead < microBatches)
            {
                yield return new StagePass(IsForward: true, backward + ahead);
            }

            yield return new StagePass(IsForward: false, backward);
        }
    }
}
