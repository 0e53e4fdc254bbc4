using System.Globalization;
using KvShiftScale.Models;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Gradients;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.ParityProgram;

/// <summary>Memory of the optimizer of a model in bfloat16 whose state all ranks share (ZeRO stage 1).</summary>
internal static class OptimizerMemory
{
    // 21 million parameters: padding of shared buckets is some hundred elements, and a rank's share is 60 MiB, beside which what the runtime allocates is little.
    private static readonly ModelConfig Model = new() { VocabSize = 8192, HiddenSize = 512, Layers = 4, Heads = 8, FfnSize = 1408 };

    /// <summary>
    /// Prints a line for each rank: bytes of its state (float32 master and two moments of each parameter that it updates), and by how much
    /// its resident memory grew between before the optimizer was made and after an update had touched all of it.
    /// </summary>
    public static int Run(ParallelContext ranks)
    {
        var share = new OptimizerShare(ranks.Replicas.Rank, ranks.Replicas.Size);
        var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.BFloat16), bucketBytes: 32L << 20, share);
        using var model = new KvShiftTransformer(Model, parameters, context: 64);
        using var reducer = new GradientReducer(parameters, ranks.Replicas);
        using (no_grad())
        {
            foreach (var slot in parameters.Slots)
            {
                slot.Parameter.fill_(0.5);
            }
        }
        // No micro-batch gives every parameter a gradient of zero, in memory that is touched before the optimizer is there.
        parameters.BeginStep();
        reducer.Reduce();
        GC.Collect();
        var before = ResidentMemory.Now;
        using var optimizer = new AdamW(parameters, new OptimizerConfig());
        optimizer.Step(learningRate: 1e-3, gradientScale: 1, step: 1);
        var grown = ResidentMemory.Now - before;
        reducer.GatherParameters();
        var line = string.Create(CultureInfo.InvariantCulture,
            $"rank {ranks.World.Rank}: optimizer bytes {optimizer.StateBytes}, resident bytes {grown}, parameters {parameters.GlobalElementCount}");
        var lines = ranks.World.AllGatherTexts(line);
        if (ranks.World.Rank == 0)
        {
            Console.WriteLine(string.Join(Environment.NewLine, lines));
        }

        return 0;
    }
}
