using KvShiftScale.Parallel.Native;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Launch;

/// <summary>Threads that libtorch and the fused kernels use in this process.</summary>
internal static class ComputeThreads
{
    /// <summary>Sets both, and returns the number.</summary>
    public static int Set(RankEnvironment launch, int configured)
    {
        var threads = launch.ThreadsPerRank(configured, Environment.ProcessorCount);
        set_num_threads(threads);
        DenseKernels.SetThreads(threads);
        return threads;
    }
}
