using KvShiftScale.Core.Numbers;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Simulation;

/// <summary>Small models in random layouts of up to 1,024 ranks that a launch would begin with. A function of the seed alone.</summary>
/// <param name="seed">Of the draws.</param>
internal sealed class RandomLaunches(ulong seed)
{
    private const int MostRanks = 1024;
    private static readonly int[] Degrees = [1, 1, 2, 3, 4, 6, 8, 16];

    private ulong _drawn;

    /// <summary>The next layout, and the ranks of its launch.</summary>
    public (RunConfig Config, int Ranks) Next()
    {
        while (true)
        {
            var (config, ranks) = Draw();
            if (ranks <= MostRanks && RunConfigRules.FaultsOf(config, ranks).Count == 0)
            {
                return (config, ranks);
            }
        }
    }

    private (RunConfig Config, int Ranks) Draw()
    {
        var (tensor, context, pipeline) = (Of(Degrees), Of(Degrees), Of(Degrees));
        var data = Of([1, 2, 3, 4, 8, 16, 64, 128, 256, 512, 1024]);
        var microBatch = 1 + Below(3);
        var headsPerRank = 1 + Below(2);
        var isSliding = Below(4) == 0;
        var model = new ModelConfig
        {
            VocabSize = 7 + Below(60_000),
            HiddenSize = 32 * (1 + Below(8)),
            Layers = pipeline * (1 + Below(3)) + Below(6),
            Heads = tensor * headsPerRank,
            KvHeads = KvHeads(tensor, headsPerRank),
            HeadSize = 16,
            FfnSize = tensor * 8 * (1 + Below(40)),
            TieEmbeddings = Below(3) == 0,
            KvShift = Of(Enum.GetValues<KvShiftVariant>()),
            SlidingWindow = isSliding ? 16 : 0,
            SlidingKvHeads = isSliding ? KvHeads(tensor, headsPerRank) : 0,
        };
        var config = RunConfigReader.Parse("run: { name: random, steps: 2, checkpoint_every: 0 }\ndata: { train: [a] }", "random.yaml", []);
        return (config with
        {
            Model = model,
            Precision = Below(2) == 0 ? Precision.Bf16 : Precision.Fp32,
            Data = config.Data with { Context = 2 * context * tensor * (1 + Below(64)), MicroBatch = microBatch, GlobalBatch = data * microBatch * (1 + Below(9)) },
            Parallel = new ParallelConfig
            {
                Tensor = tensor,
                Context = context,
                Pipeline = pipeline,
                VirtualStages = pipeline == 1 ? 1 : 1 + Below(3),
                Sequence = Of([null, true, (bool?)false]),
                OptimizerSharding = Of(Enum.GetValues<OptimizerSharding>()),
                Recompute = Of(Enum.GetValues<Recompute>()),
                BucketMebibytes = 1 + Below(4),
                Overlap = Below(4) > 0,
            },
        }, data * context * tensor * pipeline);
    }

    // As many as ranks or heads, or fewer, which neighbours share.
    private int KvHeads(int tensor, int headsPerRank)
    {
        int[] fitting = [.. Enumerable.Range(1, tensor * headsPerRank).Where(heads => tensor * headsPerRank % heads == 0 && (heads % tensor == 0 || tensor % heads == 0))];
        return Of(fitting);
    }

    private int Below(int bound) => (int)Math.BigMul(CounterRandom.At(seed, _drawn++), (ulong)bound, out _);

    private T Of<T>(IReadOnlyList<T> values) => values[Below(values.Count)];
}
