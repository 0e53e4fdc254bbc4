using System.Text.Json;
using KvShiftScale.Core.Text;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>What a validation found.</summary>
/// <param name="Mean">Mean loss over all targets of all sets, in nats.</param>
/// <param name="Sets">Mean loss of each set by its name, in nats, in the order of the configuration; none where sets have no names.</param>
public sealed record ValidationLosses(double Mean, IReadOnlyList<(string Name, double Loss)> Sets)
{
    /// <summary>Name of the object of the sets in a line of <c>metrics.jsonl</c>.</summary>
    internal const string JsonName = "validation_losses";

    /// <summary>Adds the sets to a JSON object.</summary>
    internal static void WriteSets(Utf8JsonWriter json, IReadOnlyList<(string Name, double Loss)> sets)
    {
        if (sets.Count == 0)
        {
            return;
        }

        json.WriteStartObject(JsonName);
        foreach (var (name, loss) in sets)
        {
            if (double.IsFinite(loss))
            {
                json.WriteNumber(name, loss);
            }
            else
            {
                json.WriteNull(name);
            }
        }

        json.WriteEndObject();
    }

    /// <summary>Reads the sets out of a JSON object that may have none.</summary>
    internal static IReadOnlyList<(string Name, double Loss)> ReadSets(JsonElement json)
        => json.TryGetProperty(JsonName, out var sets)
            ? [.. sets.EnumerateObject().Select(set => (set.Name, set.Value.ValueKind == JsonValueKind.Null ? double.NaN : set.Value.GetDouble()))]
            : [];

    /// <summary>The sets for a line of text, behind the mean: " (books 2.1, code 1.3)"; nothing where there are none.</summary>
    internal static string Describe(IReadOnlyList<(string Name, double Loss)> sets)
        => sets.Count == 0 ? "" : $" ({string.Join(", ", sets.Select(set => $"{set.Name} {Quantity.Loss(set.Loss)}"))})";
}
