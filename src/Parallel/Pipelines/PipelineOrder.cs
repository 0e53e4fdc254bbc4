namespace KvShiftScale.Parallel.Pipelines;

/// <summary>
/// One forward, one backward (Narayanan et al. 2019, with a flush after each step): a stage takes in some micro-batches, then one backward follows
/// each forward, and at the end what is left goes backward. So a stage holds the activations of a bounded number of passes, however many
/// micro-batches a step has.
/// </summary>
/// <remarks>
/// With several chunks a stage, interleaved (Narayanan et al. 2021): as many micro-batches as there are stages go through a chunk before they
/// go through the next, so that each comes back to the first stage when that has sent the others ahead.
/// </remarks>
public static class PipelineOrder
{
    /// <summary>Forward passes that a stage is ahead of its backward passes; it holds the activations of one more.</summary>
    /// <param name="stage">From 0.</param>
    /// <param name="stages">Number of stages.</param>
    /// <param name="chunks">Chunks of a stage.</param>
    /// <param name="microBatches">Micro-batches of a step.</param>
    public static int Ahead(int stage, int stages, int chunks, int microBatches)
    {
        var after = stages - 1 - stage;
        // The first gradient comes when a micro-batch has gone through all chunks and back to this stage. With one chunk a stage that goes on forward
        // meanwhile would only hold more.
        return Math.Min(chunks == 1 ? after : 2 * after + (chunks - 1) * stages, chunks * microBatches);
    }

    /// <summary>Passes whose activations a stage holds at once, at most.</summary>
    /// <inheritdoc cref="Ahead"/>
    public static int MostHeld(int stage, int stages, int chunks, int microBatches)
        => Math.Min(Ahead(stage, stages, chunks, microBatches) + 1, chunks * microBatches);

    /// <summary>What a stage computes in a step, in this order. In a chunk micro-batches keep theirs in both directions.</summary>
    /// <param name="stage">From 0.</param>
    /// <param name="stages">Number of stages.</param>
    /// <param name="chunks">Chunks of a stage.</param>
    /// <param name="microBatches">Micro-batches of a step; with several chunks a multiple of <paramref name="stages"/>.</param>
    public static IEnumerable<StagePass> Of(int stage, int stages, int chunks, int microBatches)
    {
        var (passes, ahead) = (chunks * microBatches, Ahead(stage, stages, chunks, microBatches));
        for (var forward = 0; forward < ahead; forward++)
        {
            yield return Forward(forward);
        }

        for (var backward = 0; backward < passes; backward++)
        {
            if (backward + ahead < passes)
            {
                yield return Forward(backward + ahead);
            }

            var (chunk, microBatch) = Place(backward);
            yield return new StagePass(IsForward: false, chunks - 1 - chunk, microBatch);
        }

        StagePass Forward(int number)
        {
            var (chunk, microBatch) = Place(number);
            return new StagePass(IsForward: true, chunk, microBatch);
        }

        (int Chunk, int MicroBatch) Place(int number)
        {
            var (round, inRound) = Math.DivRem(number, stages * chunks);
            return (inRound / stages, round * stages + inRound % stages);
        }
    }
}
