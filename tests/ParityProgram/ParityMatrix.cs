using KvShiftScale.Models;
using KvShiftScale.Parallel;
using static TorchSharp.torch;

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

    // Rounding cannot hide an error in float64: ten steps of a model of this size stay below 1e-12.
    private const double Bound = 1e-10;

    /// <summary>Runs every case against one rank, prints a line for each, and returns the exit code.</summary>
    public static int Run(ParallelContext ranks, string folder)
    {
        var shard = ranks.BroadcastText(ranks.World.Rank == 0 ? ParityCorpus.Write(folder, s_model.VocabSize, 4000) : "");
        var failures = 0;
        var references = new Dictionary<string, ParityRun>();
        foreach (var test in Of(ranks.World.Size))
        {
            // Every rank computes what one rank computes.
            var key = $"{test.Model} {test.Context} {test.GlobalBatch}";
            if (!references.TryGetValue(key, out var reference))
            {
                using var alone = ParallelContext.Single();
                reference = ParityRun.Train(test with { Layout = new ParallelConfig() }, alone, shard, ScalarType.Float64);
                references.Add(key, reference);
            }
            using var divided = ranks.Divide(test.Layout);
            var run = ParityRun.Train(test, divided, shard, ScalarType.Float64);
            var comparison = ParityComparison.Of(run, reference, ranks.World);
            var holds = comparison.IsWithin(Bound);
            if (!holds) failures++;
            if (ranks.World.Rank == 0) Console.WriteLine($"{(holds ? "ok  " : "FAIL")} {ranks.World.Size} ranks {test}: {comparison}");
        }
        return failures == 0 ? 0 : 1;
    }

    /// <summary>The cases of a launch of <paramref name="ranks"/> ranks.</summary>
    public static IEnumerable<ParityCase> Of(int ranks)
    {
        foreach (var tensor in Divisors(ranks))
        foreach (var context in Divisors(ranks / tensor))
        foreach (var sequence in (bool[])[false, true])
        foreach (var sharding in Enum.GetValues<OptimizerSharding>())
        foreach (var recompute in (Recompute[])[Recompute.None, Recompute.Full])
        foreach (var microBatch in (int[])[1, 2])
        {
            var data = ranks / tensor / context;
            if ((sequence && tensor == 1) || 4 % data != 0 || 4 / data % microBatch != 0) continue;
            yield return new ParityCase(
                new ParallelConfig { Tensor = tensor, Context = context, Sequence = sequence, OptimizerSharding = sharding, Recompute = recompute },
                microBatch, s_model);
        }
    }

    private static IEnumerable<int> Divisors(int number) => Enumerable.Range(1, number).Where(divisor => number % divisor == 0);
}
