using System.Globalization;
using KvShiftScale.Core;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;

namespace KvShiftScale.Trainer.Launch;

/// <summary>Where a rank runs.</summary>
/// <param name="Rank">The rank.</param>
/// <param name="Host">Name of its machine or container, for people: different ones may have the same.</param>
/// <param name="ProcessId">Its process there.</param>
/// <param name="Kernel">The start of the system that it runs on: ranks with the same one share processors.</param>
/// <param name="Processes">The name space of its process id.</param>
/// <param name="Cores">Processors that it may run on, as Linux lists them: 0-3,8.</param>
internal sealed record RankAddress(int Rank, string Host, int ProcessId, string Kernel, string Processes, string Cores)
{
    private const char Separator = '\t';

    /// <summary>The ranks of a launch, in their order. Collective.</summary>
    public static IReadOnlyList<RankAddress> Gather(ProcessGroup world)
    {
        var own = Own(world.Rank);
        return [.. world.AllGatherTexts(string.Join(Separator, own.ProcessId, own.Host, own.Kernel, own.Processes, own.Cores)).Select(Parse)];
    }

    /// <summary>This process.</summary>
    public static RankAddress Own(int rank)
        // Where the system does not tell, names have to do.
        => new(rank, Environment.MachineName, Environment.ProcessId, LinuxProcess.KernelStart ?? Environment.MachineName,
            LinuxProcess.ProcessNamespace ?? "", LinuxProcess.AllowedProcessors ?? "");

    /// <summary>Whether this rank's process is one that another one sees under its process id.</summary>
    public bool Sees(RankAddress other) => Kernel == other.Kernel && Processes == other.Processes;

    private static RankAddress Parse(string text, int rank)
    {
        var parts = text.Split(Separator);
        return new RankAddress(rank, parts[1], int.Parse(parts[0], CultureInfo.InvariantCulture), parts[2], parts[3], parts[4]);
    }
}
