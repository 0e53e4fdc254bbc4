using System.Globalization;
using KvShiftScale.Core;
using KvShiftScale.Core.Text;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Planning;

namespace KvShiftScale.Trainer.Launch;

/// <summary>Rules that a configuration keeps with the machine that it runs on. A dry run, which may be of another machine, does not ask for them.</summary>
internal static class MachineRules
{
    private const int ThreadsOfProcessor = 16;

    // A small machine may be asked for what a large one does, if slowly.
    private const int ThreadsOfAny = 64;

    /// <summary>Threads of one kind that a process may start here.</summary>
    public static int MostThreads => Math.Max(ThreadsOfAny, ThreadsOfProcessor * Environment.ProcessorCount);

    /// <summary>Checks the numbers of threads of a configuration.</summary>
    /// <exception cref="ConfigException">One is more than this machine carries.</exception>
    public static void CheckThreads(RunConfig config)
    {
        List<ConfigFault> faults =
        [
            .. FaultOf("parallel.threads_per_rank", config.Parallel.ThreadsPerRank),
            .. FaultOf("data.reader_threads", config.Data.ReaderThreads),
        ];
        if (faults.Count > 0)
        {
            throw new ConfigException(faults);
        }
    }

    /// <summary>Checks a number of threads that an option gives.</summary>
    /// <exception cref="UsageException">It is more than this machine carries.</exception>
    public static void CheckThreads(string option, int threads)
    {
        if (threads > MostThreads)
        {
            throw new UsageException(FormattableString.Invariant($"found {option} {threads}; wanted {WantedThreads}"));
        }
    }

    /// <summary>Checks that this machine has the memory for what its ranks hold all the time, activations not counted.</summary>
    /// <param name="config">A configuration that keeps its rules.</param>
    /// <param name="ranks">Ranks of the launch.</param>
    /// <param name="ranksHere">The numbers of those on this machine.</param>
    /// <param name="memoryBytes">What the machine, or the container, has, with what it can move to a disk.</param>
    /// <exception cref="ConfigException">It has not.</exception>
    public static void CheckMemory(RunConfig config, int ranks, IReadOnlyCollection<int> ranksHere, double memoryBytes)
    {
        var plan = new RunPlan(config, ranks);
        // Stages are the outermost axis.
        var needed = ranksHere.Sum(rank => plan.MemoryOfStage(config.Precision, rank / (ranks / config.Parallel.Pipeline)).Total);
        if (needed > memoryBytes)
        {
            throw new ConfigException(new ConfigFault("model", $"{Quantity.Count(plan.Parameters.Total)} parameters",
                $"needs {Quantity.Bytes((long)needed)} on {ranksHere.Count} rank(s) here for parameters, gradients and the optimizer's state, and the machine has {Quantity.Bytes((long)memoryBytes)}",
                "train a smaller model, or on more machines; train --dry-run shows what takes how much"));
        }
    }

    /// <summary>Memory that this process and others of its container may have, and space to swap to.</summary>
    public static double MemoryBytes => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes + SwapBytes();

    private static string WantedThreads => string.Create(CultureInfo.InvariantCulture,
        $"at most {MostThreads} on this machine, whose {Environment.ProcessorCount} processor(s) more would only wait for");

    private static IEnumerable<ConfigFault> FaultOf(string key, int threads) => threads <= MostThreads ? []
        : [new ConfigFault(key, threads.ToString(CultureInfo.InvariantCulture), $"must be {WantedThreads}", "set as many as there are processors, or fewer")];

    // Of the whole machine, in KiB.
    private static double SwapBytes()
    {
        const string name = "SwapTotal:";
        try
        {
            return File.ReadLines("/proc/meminfo").FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal)) is { } line
                && double.TryParse(line[name.Length..].Replace("kB", "", StringComparison.Ordinal).Trim(), CultureInfo.InvariantCulture, out var kibibytes)
                ? kibibytes * 1024 : 0;
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
