using KvShiftScale.Core;
using KvShiftScale.Core.Configuration;
using KvShiftScale.Models.Configuration;

namespace KvShiftScale.Trainer.Experiments;

/// <summary>Variants of the shift, as experiments name and take them.</summary>
internal static class ShiftName
{
    /// <summary>For people: "KV shift", "vanilla", "gate shift".</summary>
    public static string Of(KvShiftVariant variant) => variant switch
    {
        KvShiftVariant.None => "vanilla",
        KvShiftVariant.Kv => "KV shift",
        _ => $"{Key(variant)} shift",
    };

    /// <summary>As in <c>model.kv_shift</c>, and for file names.</summary>
    public static string Key(KvShiftVariant variant) => ConfigKeys.NameOf(variant.ToString());

    /// <summary>Reads a list separated by commas.</summary>
    /// <exception cref="UsageException">A name is unknown, or that of no shift.</exception>
    public static IReadOnlyList<KvShiftVariant> ParseList(string text)
    {
        var known = Enum.GetValues<KvShiftVariant>().Where(variant => variant != KvShiftVariant.None).ToDictionary(Key);
        return [.. text.Split(',').Select(name => known.TryGetValue(name.Trim(), out var found)
            ? found
            : throw new UsageException(
                $"found --variants {text}; wanted some of {string.Join(",", known.Keys)} (vanilla always takes part)")).Distinct()];
    }
}
