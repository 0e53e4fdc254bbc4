using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using KvShiftScale.Core.Text;

namespace KvShiftScale.Trainer.Reporting;

/// <summary>Where a run ran: what a person needs to know before comparing its speed with another's.</summary>
public sealed record RunEnvironment
{
    /// <summary>Name of the machine.</summary>
    public required string Machine { get; init; }

    /// <summary>Model of the processor; null where the system does not tell.</summary>
    public string? Processor { get; init; }

    /// <summary>Logical processors that this process may use.</summary>
    public required int LogicalProcessors { get; init; }

    /// <summary>Memory that this process may use.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Name and version of the operating system.</summary>
    public required string OperatingSystem { get; init; }

    /// <summary>Version of .NET.</summary>
    public required string Runtime { get; init; }

    /// <summary>Version of libtorch.</summary>
    public required string TorchVersion { get; init; }

    /// <summary>Processes of the launch.</summary>
    public required int Ranks { get; init; }

    /// <summary>Compute threads of one rank.</summary>
    public required int ThreadsPerRank { get; init; }

    /// <summary>Commit that the program was built from; null where unknown.</summary>
    public string? Commit { get; init; }

    /// <summary>Describes the machine and runtime of this process, with what it can find out itself.</summary>
    internal static RunEnvironment Here(int ranks, int threadsPerRank) => OfThisProcess(ranks, threadsPerRank, TorchSharp.torch.__version__,
        CommitOfBuild(), File.Exists("/proc/cpuinfo") ? File.ReadAllText("/proc/cpuinfo") : null);

    /// <summary>Describes the machine and runtime of this process.</summary>
    /// <param name="ranks">Processes of the launch.</param>
    /// <param name="threadsPerRank">Compute threads of one rank.</param>
    /// <param name="torchVersion">Version of libtorch.</param>
    /// <param name="commit">Commit that the program was built from, if known.</param>
    /// <param name="cpuInfo">Text of <c>/proc/cpuinfo</c>, if there is such a file.</param>
    public static RunEnvironment OfThisProcess(int ranks, int threadsPerRank, string torchVersion, string? commit, string? cpuInfo) => new()
    {
        Machine = Environment.MachineName,
        Processor = cpuInfo is null ? null : ProcessorOf(cpuInfo),
        LogicalProcessors = Environment.ProcessorCount,
        MemoryBytes = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
        OperatingSystem = RuntimeInformation.OSDescription,
        Runtime = RuntimeInformation.FrameworkDescription,
        TorchVersion = torchVersion,
        Ranks = ranks,
        ThreadsPerRank = threadsPerRank,
        Commit = commit,
    };

    /// <summary>The processor's name in the text of <c>/proc/cpuinfo</c>, or null when it has none.</summary>
    public static string? ProcessorOf(string cpuInfo)
    {
        foreach (var line in cpuInfo.Split('\n'))
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0 && line[..colon].Trim() is "model name" or "Model")
            {
                return line[(colon + 1)..].Trim();
            }
        }

        return null;
    }

    // The SDK appends the commit to the informational version: 1.0.0+0123abc.
    private static string? CommitOfBuild()
    {
        var version = typeof(RunEnvironment).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;
        var plus = version?.IndexOf('+', StringComparison.Ordinal) ?? -1;
        return plus < 0 ? null : version![(plus + 1)..];
    }

    /// <summary>Names and values for a table; what is unknown is left out.</summary>
    public IReadOnlyList<(string Name, string Value)> Rows()
    {
        var rows = new List<(string Name, string? Value)>
        {
            ("Machine", Machine),
            ("Processor", Processor),
            ("Logical processors", LogicalProcessors.ToString(CultureInfo.InvariantCulture)),
            ("Memory", Quantity.Bytes(MemoryBytes)),
            ("Ranks", Ranks.ToString(CultureInfo.InvariantCulture)),
            ("Threads per rank", ThreadsPerRank.ToString(CultureInfo.InvariantCulture)),
            ("Operating system", OperatingSystem),
            (".NET", Runtime),
            ("libtorch", TorchVersion),
            ("Commit", Commit),
        };
        return [.. rows.Where(row => !string.IsNullOrWhiteSpace(row.Value)).Select(row => (row.Name, row.Value!))];
    }
}
