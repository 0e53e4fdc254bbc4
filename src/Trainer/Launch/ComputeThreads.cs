using KvShiftScale.Parallel.Kernels;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Launch;

/// <summary>How this process uses its machine: compute threads and memory of libtorch and the fused kernels.</summary>
internal static class ComputeThreads
{
    /// <summary>Sets both for a process that has its processors to itself, and returns the number of threads.</summary>
    /// <param name="configured">Threads wanted; 0 for one on each processor that the process may use.</param>
    public static int Set(int configured) => SetNumber(configured > 0 ? configured : Environment.ProcessorCount);

    /// <summary>Sets both for one of several ranks, and returns the number of threads.</summary>
    /// <param name="configured">Threads wanted; 0 for a share of the processors that the rank may use.</param>
    /// <param name="ranks">All ranks of the launch.</param>
    /// <param name="rank">This one.</param>
    public static int Set(int configured, IReadOnlyList<RankAddress> ranks, int rank)
        => SetNumber(configured > 0 ? configured : Share(Environment.ProcessorCount, ranks, rank));

    /// <summary>
    /// Threads of a rank: its processors, divided among the ranks of the machine that may run on any of them. A launcher that binds ranks to
    /// processors of their own has divided them already.
    /// </summary>
    /// <param name="processors">Those that the rank may use; fewer than it is bound to where a container may not use all of their time.</param>
    /// <param name="ranks">All ranks of the launch.</param>
    /// <param name="rank">The rank.</param>
    public static int Share(int processors, IReadOnlyList<RankAddress> ranks, int rank)
    {
        var own = ranks[rank];
        var cores = CpuList.Parse(own.Cores);
        // Fewer processors than the rank may run on are a share of their time, which belongs to a container and so to the processes that it holds.
        var hasQuota = processors < cores.Count;
        var sharing = ranks.Count(other => other.Kernel == own.Kernel && (!hasQuota || other.Processes == own.Processes)
            && (cores.Count == 0 || other.Cores == own.Cores || CpuList.Parse(other.Cores).Overlaps(cores)));
        return Math.Max(1, processors / sharing);
    }

    private static int SetNumber(int threads)
    {
        // Whoever asks for them: thousands of threads are not started.
        MachineRules.CheckThreads("compute threads", threads);
        set_num_threads(threads);
        HostKernels.SetThreads(threads);
        HostKernels.RetainMemory();
        return threads;
    }
}
