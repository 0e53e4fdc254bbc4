using System.Runtime.InteropServices;
using System.Security.Cryptography;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.ParityProgram;

/// <summary>Twenty steps in float32, and a hash of all bits that they left.</summary>
internal static class Determinism
{
    // Large enough for products and norms to use several threads.
    private static readonly ModelConfig Model = new()
    {
        VocabSize = 1009,
        HiddenSize = 128,
        Layers = 2,
        Heads = 4,
        KvHeads = 2,
        FfnSize = 352,
        InitStd = 0.1,
    };

    /// <summary>
    /// Rank 0 prints a line for each way of sharing the optimizer, with sums in canonical order, and one without that order. Ranks that the
    /// degrees leave are data parallel. Fails where ranks that hold the same parameters hold other bits.
    /// </summary>
    public static int Run(ParallelContext ranks, string folder, int tensor, int context, int pipeline)
    {
        var shard = ranks.BroadcastText(ranks.World.Rank == 0 ? ParityCorpus.Write(folder, Model.VocabSize, 40_000) : "");
        foreach (var (leaves, sharding) in ((int, OptimizerSharding)[])[(4, OptimizerSharding.None), (4, OptimizerSharding.Zero1), (0, OptimizerSharding.None)])
        {
            var test = new ParityCase(new ParallelConfig { Pipeline = pipeline, Tensor = tensor, Context = context, CanonicalLeaves = leaves, OptimizerSharding = sharding },
                MicroBatch: 2, Model)
            {
                Context = 64,
                GlobalBatch = 8,
                Steps = 20,
            };
            using var divided = ranks.Divide(test.Layout);
            var run = ParityRun.Train(test, divided, shard, Precision.Fp32);
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            foreach (var (_, _, values) in run.Parameters)
            {
                hash.AppendData(MemoryMarshal.AsBytes(values.AsSpan()));
            }

            foreach (var bits in (double[][])[run.Losses, run.GradientNorms])
            {
                hash.AppendData(MemoryMarshal.AsBytes(bits.AsSpan()));
            }

            var hashes = ranks.World.AllGatherTexts(Convert.ToHexStringLower(hash.GetHashAndReset()));
            // Tensor-parallel ranks are neighbours and stages outermost: the first of each hold one copy of the model, and the others copies of that.
            var ofStage = hashes.Chunk(tensor).Select(parts => string.Join(' ', parts)).Chunk(divided.Replicas.Size).ToArray();
            var copies = Enumerable.Range(0, divided.Replicas.Size).Select(replica => string.Join(' ', ofStage.Select(stage => stage[replica]))).Distinct().ToArray();
            if (ranks.World.Rank == 0)
            {
                Console.WriteLine($"{(leaves > 0 ? "canonical" : "plain")} {sharding}: sha256 {string.Join(" differs from ", copies)} loss {run.Losses[^1]:R}");
            }

            if (copies.Length != 1)
            {
                return 1;
            }
        }
        return 0;
    }
}
