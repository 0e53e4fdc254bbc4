using KvShiftScale.Parallel.Native;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Launch;

/// <summary>How this process uses its machine: compute threads and memory of libtorch and the fused kernels.</summary>
internal static class ComputeThreads
{
    /// <summary>Sets both, and returns the number.</summary>
    public static int Set(RankEnvironment launch, int configured)
    {
        var threads = launch.ThreadsPerRank(configured, Environment.ProcessorCount);
        set_num_threads(threads);
        DenseKernels.SetThreads(threads);
        DenseKernels.RetainMemory();
        return threads;
    }
}
