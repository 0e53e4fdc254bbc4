namespace KvShiftScale.Core;

/// <summary>A configuration that cannot be run. Carries every fault found, not only the first.</summary>
public sealed class ConfigException : UsageException
{
    /// <summary>Makes the exception for one or more faults.</summary>
    public ConfigException(IReadOnlyList<ConfigFault> faults)
        : base(Describe(faults)) => Faults = faults;

    /// <summary>Makes the exception for a single fault.</summary>
    public ConfigException(ConfigFault fault)
        : this([fault])
    {
    }

    /// <summary>What is wrong, in the order of the configuration.</summary>
    public IReadOnlyList<ConfigFault> Faults { get; }

    private static string Describe(IReadOnlyList<ConfigFault> faults)
    {
        var heading = faults.Count == 1 ? "the configuration has a fault:" : $"the configuration has {faults.Count} faults:";
        return heading + "\n" + string.Join("\n", faults);
    }
}
