using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.ParityProgram;

/// <summary>Every combination of the layouts that fit a number of ranks, and of those with a pipeline the ones that differ in what can go wrong.</summary>
internal static class ParityMatrix
{
    // An odd vocabulary, two KV heads for up to four tensor ranks; three ranks have shapes that three divides.
    private static ModelConfig Model(int ranks) => new()
    {
        VocabSize = 37,
        HiddenSize = 16,
        Layers = 2,
        Heads = ranks == 3 ? 6 : 4,
        KvHeads = ranks == 3 ? 3 : 2,
        HeadSize = 4,
        FfnSize = 24,
        InitStd = 0.2,
    };

    /// <summary>The cases of a launch of <paramref name="ranks"/> ranks.</summary>
    public static IEnumerable<ParityCase> Of(int ranks)
    {
        var rows = ranks == 3 ? 6 : 4;
        foreach (var tensor in Divisors(ranks))
        {
            foreach (var context in Divisors(ranks / tensor))
            {
                foreach (var sequence in (bool[])[false, true])
                {
                    foreach (var sharding in Enum.GetValues<OptimizerSharding>())
                    {
                        foreach (var recompute in Enum.GetValues<Recompute>())
                        {
                            foreach (var microBatch in (int[])[1, 2])
                            {
                                foreach (var leaves in (int[])[0, rows / microBatch])
                                {
                                    var data = ranks / tensor / context;
                                    if ((sequence && tensor == 1) || rows / data % microBatch != 0)
                                    {
                                        continue;
                                    }
                                    // Canonical sums know nothing of recompute, and want powers of two.
                                    if (leaves > 0 && (recompute != Recompute.None || !int.IsPow2(leaves) || !int.IsPow2(data)))
                                    {
                                        continue;
                                    }

                                    // Canonical sums need whole gradients, and without replicas nothing is divided.
                                    if (sharding == OptimizerSharding.Zero2 && (leaves > 0 || data * context == 1))
                                    {
                                        continue;
                                    }

                                    yield return new ParityCase(
                new ParallelConfig { Tensor = tensor, Context = context, Sequence = sequence, OptimizerSharding = sharding, Recompute = recompute, CanonicalLeaves = leaves },
                microBatch, Model(ranks))
                                    {
                                        Context = 24,
                                        GlobalBatch = rows,
                                    };
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// <summary>An embedding that is the head, too, and so gets two gradients in a backward, with each way of sharing the optimizer.</summary>
    public static IEnumerable<ParityCase> TiedOf(int ranks) => Enum.GetValues<OptimizerSharding>().Select(sharding
        => new ParityCase(new ParallelConfig { OptimizerSharding = sharding }, 1, Model(ranks) with { TieEmbeddings = true }) { Context = 24, GlobalBatch = 2 * ranks });

    /// <summary>
    /// Pipelines of a launch of <paramref name="ranks"/> ranks: as many micro-batches as stages, fewer and more, layers that stages cannot share evenly, a
    /// tied embedding with and without a stage between its ends, messages that wait for who takes them, and each other axis beside.
    /// </summary>
    public static IEnumerable<ParityCase> PipelinesOf(int ranks) => ranks switch
    {
        2 =>
        [
            Case(new ParallelConfig(), microBatch: 1),
            Case(new ParallelConfig { Recompute = Recompute.Full }, microBatch: 2),
            Case(new ParallelConfig { Recompute = Recompute.Selective }, microBatch: 4),
            Case(new ParallelConfig(), microBatch: 1, layers: 3, tied: true),
            Case(new ParallelConfig { CanonicalLeaves = 2 }, microBatch: 1, tied: true),
            Virtual(new ParallelConfig(), microBatch: 1, tied: true),
            Virtual(new ParallelConfig { Recompute = Recompute.Full }, microBatch: 2, chunks: 3),
            // Messages of 192 KiB both ways between two stages, which wait for who takes them.
            Virtual(new ParallelConfig { Recompute = Recompute.Selective }, microBatch: 1) with { Context = 1536, Steps = 2 },
        ],
        3 =>
        [
            Case(new ParallelConfig { Recompute = Recompute.Full }, microBatch: 1, stages: 3, layers: 4, tied: true),
            Case(new ParallelConfig { CanonicalLeaves = 2 }, microBatch: 1, stages: 3, layers: 3, tied: true),
            // Messages of 192 KiB wait for who takes them, as those of large models do; smaller ones MPI sends at once.
            Case(new ParallelConfig(), microBatch: 1, stages: 3, layers: 3) with { Context = 1536, Steps = 2, GlobalBatch = 6 },
            Case(new ParallelConfig { CanonicalLeaves = 4 }, microBatch: 1, stages: 3, layers: 3, tied: true) with { Context = 1536, Steps = 2 },
        ],
        4 =>
        [
            Case(new ParallelConfig(), microBatch: 1, stages: 4, layers: 5, tied: true),
            Case(new ParallelConfig(), microBatch: 1),
            Case(new ParallelConfig { OptimizerSharding = OptimizerSharding.None }, microBatch: 2, tied: true),
            Case(new ParallelConfig { OptimizerSharding = OptimizerSharding.Zero2 }, microBatch: 1, tied: true),
            // Sums from within backward in the caller's time, between the collectives of each other axis.
            Case(new ParallelConfig { OptimizerSharding = OptimizerSharding.Zero2, Overlap = false }, microBatch: 1, tied: true),
            Case(new ParallelConfig { OptimizerSharding = OptimizerSharding.Zero2, Overlap = false, Tensor = 2, Sequence = true }, microBatch: 1, stages: 1),
            Case(new ParallelConfig { OptimizerSharding = OptimizerSharding.Zero2, Overlap = false, Context = 2 }, microBatch: 1, stages: 1),
            Case(new ParallelConfig { CanonicalLeaves = 4 }, microBatch: 1, tied: true),
            Case(new ParallelConfig { Tensor = 2, Recompute = Recompute.Full }, microBatch: 1, tied: true),
            Case(new ParallelConfig { Tensor = 2, Sequence = false }, microBatch: 2),
            Case(new ParallelConfig { Context = 2 }, microBatch: 1, tied: true),
            Virtual(new ParallelConfig(), microBatch: 1, stages: 4, tied: true),
            Virtual(new ParallelConfig(), microBatch: 1, tied: true),
            Virtual(new ParallelConfig { OptimizerSharding = OptimizerSharding.Zero2, Recompute = Recompute.Full }, microBatch: 1, tied: true),
            Virtual(new ParallelConfig { OptimizerSharding = OptimizerSharding.Zero2, Overlap = false }, microBatch: 1),
            Virtual(new ParallelConfig { Tensor = 2 }, microBatch: 1, tied: true),
            Virtual(new ParallelConfig { Context = 2, Recompute = Recompute.Selective }, microBatch: 1),
        ],
        _ => [],
    };

    private static ParityCase Case(ParallelConfig layout, int microBatch, int stages = 2, int layers = 2, bool tied = false)
        => new(layout with { Pipeline = stages }, microBatch, Model(2) with { Layers = layers, TieEmbeddings = tied }) { Context = 24 };

    // A layer for each chunk, and one more that they cannot share evenly.
    private static ParityCase Virtual(ParallelConfig layout, int microBatch, int stages = 2, int chunks = 2, bool tied = false)
        => Case(layout with { VirtualStages = chunks }, microBatch, stages, stages * chunks + 1, tied);

    private static IEnumerable<int> Divisors(int number) => Enumerable.Range(1, number).Where(divisor => number % divisor == 0);
}
