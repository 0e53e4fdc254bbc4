using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.ParityProgram;

/// <summary>Seeded random shapes in random layouts: any number of layers a stage, odd vocabularies, few KV heads, tied heads, every shift variant, sliding layers.</summary>
internal static class ParitySweep
{
    /// <summary>The cases of a launch of <paramref name="ranks"/> ranks.</summary>
    public static IEnumerable<ParityCase> Of(int ranks, int count, int seed)
    {
        for (var i = 0; i < count; i++)
        {
            // Each case is a function of its own number, so that one can be run again alone.
            var random = new Random(unchecked((seed * 7919 + ranks) * 104729 + i));
            var pipeline = Pick(random, Divisors(ranks));
            var tensor = Pick(random, Divisors(ranks / pipeline));
            var context = Pick(random, Divisors(ranks / pipeline / tensor));
            var data = ranks / pipeline / tensor / context;
            var chunks = pipeline > 1 ? random.Next(1, 4) : 1;
            // Chunks want a multiple of the stages of micro-batches.
            var round = chunks > 1 ? pipeline : 1;
            var rows = data * round * random.Next(1, 4);
            yield return new ParityCase(
                new ParallelConfig
                {
                    Pipeline = pipeline,
                    VirtualStages = chunks,
                    Tensor = tensor,
                    Context = context,
                    Sequence = tensor > 1 && random.Next(3) > 0,
                    OptimizerSharding = Pick(random, Enum.GetValues<OptimizerSharding>()),
                    Recompute = Pick(random, Enum.GetValues<Recompute>()),
                },
                Pick(random, Divisors(rows / data / round)), Shape(random, pipeline * chunks, tensor))
            {
                Context = 2 * context * tensor * random.Next(1, 4) * Pick(random, [1, 2]),
                GlobalBatch = rows,
                DocumentMask = random.Next(4) > 0,
                Steps = 5,
            };
        }
    }

    private static ModelConfig Shape(Random random, int virtualStages, int tensor)
    {
        var heads = tensor * random.Next(1, 3) * Pick(random, [1, 2]);
        int[] kvHeads = [.. Divisors(heads).Where(kv => kv % tensor == 0 || tensor % kv == 0)];
        var variant = Pick(random, Enum.GetValues<KvShiftVariant>());
        var initializations = Enum.GetValues<KvShiftInitialization>()
            .Where(init => variant != KvShiftVariant.Gate || init != KvShiftInitialization.Identity);
        return new ModelConfig
        {
            VocabSize = random.Next(11, 62),
            HiddenSize = random.Next(3, 13) * 2,
            Layers = random.Next(virtualStages, virtualStages + 3),
            Heads = heads,
            KvHeads = Pick(random, kvHeads),
            HeadSize = Pick(random, [2, 4, 6, 8]),
            FfnSize = tensor * random.Next(2, 10),
            InitStd = 0.2,
            TieEmbeddings = random.Next(2) == 0,
            KvShift = variant,
            KvShiftInit = Pick(random, [.. initializations]),
            SlidingWindow = random.Next(3) == 0 ? random.Next(1, 12) : 0,
            SlidingHeads = heads,
            SlidingKvHeads = Pick(random, kvHeads),
            SlidingHeadSize = Pick(random, [2, 4]),
        };
    }

    private static T Pick<T>(Random random, IReadOnlyList<T> choices) => choices[random.Next(choices.Count)];

    private static int[] Divisors(int number) => [.. Enumerable.Range(1, number).Where(divisor => number % divisor == 0)];
}
