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
