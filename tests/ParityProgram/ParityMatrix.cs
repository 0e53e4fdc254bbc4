using KvShiftScale.Models;
using KvShiftScale.Parallel;

namespace KvShiftScale.ParityProgram;

/// <summary>Every combination of the layouts that fit a number of ranks.</summary>
internal static class ParityMatrix
{
    // An odd vocabulary, two KV heads for up to four tensor ranks, a head that is tied.
    private static readonly ModelConfig s_model = new()
    {
        VocabSize = 37,
        HiddenSize = 16,
        Layers = 2,
        Heads = 4,
        KvHeads = 2,
        HeadSize = 4,
        FfnSize = 24,
        InitStd = 0.2,
    };

    /// <summary>The cases of a launch of <paramref name="ranks"/> ranks.</summary>
    public static IEnumerable<ParityCase> Of(int ranks)
    {
        foreach (var tensor in Divisors(ranks))
        {
            var data = ranks / tensor;
            foreach (var sequence in (bool[])[false, true])
            {
                if (sequence && tensor == 1) continue;
                foreach (var sharding in Enum.GetValues<OptimizerSharding>())
                {
                    foreach (var microBatch in (int[])[1, 2])
                    {
                        if (4 / data % microBatch != 0 || 4 % data != 0) continue;
                        yield return new ParityCase(
                            new ParallelConfig { Tensor = tensor, Sequence = sequence, OptimizerSharding = sharding }, microBatch, s_model);
                    }
                }
            }
        }
    }

    private static IEnumerable<int> Divisors(int number) => Enumerable.Range(1, number).Where(divisor => number % divisor == 0);
}
