using System.Runtime.InteropServices;
using System.Security.Cryptography;
using KvShiftScale.Models;
using KvShiftScale.Parallel;
using static TorchSharp.torch;

namespace KvShiftScale.ParityProgram;

/// <summary>Twenty steps in float32 with sums in canonical order, all ranks data parallel.</summary>
internal static class Determinism
{
    // Large enough for products and norms to use several threads.
    private static readonly ModelConfig s_model = new()
    {
        VocabSize = 1009,
        HiddenSize = 128,
        Layers = 2,
        Heads = 4,
        KvHeads = 2,
        FfnSize = 352,
        InitStd = 0.1,
    };

    /// <summary>Rank 0 prints a line for each way of sharing the optimizer.</summary>
    public static int Run(ParallelContext ranks, string folder)
    {
        var shard = ranks.BroadcastText(ranks.World.Rank == 0 ? ParityCorpus.Write(folder, s_model.VocabSize, 40_000) : "");
        foreach (var sharding in Enum.GetValues<OptimizerSharding>())
        {
            var test = new ParityCase(new ParallelConfig { CanonicalLeaves = 4, OptimizerSharding = sharding }, MicroBatch: 2, s_model)
            {
                Context = 64,
                GlobalBatch = 8,
                Steps = 20,
            };
            var run = ParityRun.Train(test, ranks, shard, ScalarType.Float32);
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            foreach (var (_, _, values) in run.Parameters) hash.AppendData(MemoryMarshal.AsBytes(values.AsSpan()));
            foreach (var bits in (double[][])[run.Losses, run.GradientNorms]) hash.AppendData(MemoryMarshal.AsBytes(bits.AsSpan()));
            if (ranks.World.Rank == 0) Console.WriteLine($"sha256 {Convert.ToHexStringLower(hash.GetHashAndReset())} loss {run.Losses[^1]:R}");
        }
        return 0;
    }
}
