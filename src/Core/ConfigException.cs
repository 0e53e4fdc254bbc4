using KvShiftScale.Core.Text;

namespace KvShiftScale.Core;

/// <summary>One thing that is wrong with a configuration, in the four parts that a person needs to put it right.</summary>
/// <param name="Key">Path of the key: <c>data.global_batch</c>.</param>
/// <param name="Value">The value found, as written.</param>
/// <param name="Rule">What the value must be.</param>
/// <param name="Remedy">What to do.</param>
/// <param name="Position">File, line and column, or the <c>--set</c> argument, where known.</param>
public sealed record ConfigFault(string Key, string Value, string Rule, string Remedy, string? Position = null)
{
    /// <summary>The fault as three lines of text, without what is secret in a value.</summary>
    public override string ToString()
    {
        var place = Position is null ? "" : $"   ({AddressSecrets.MaskPosition(Key, Position)})";
        return $"  {Key} = {AddressSecrets.MaskValue(Key, Value)}{place}\n    rule:   {AddressSecrets.MaskText(Rule)}\n"
            + $"    remedy: {AddressSecrets.MaskText(Remedy)}";
    }
}

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
