using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.ParityProgram;

/// <summary>Every combination of the layouts that fit a number of ranks.</summary>
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

    private static IEnumerable<int> Divisors(int number) => Enumerable.Range(1, number).Where(divisor => number % divisor == 0);
}
