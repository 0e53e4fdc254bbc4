using System.Text.Json;
using System.Text.Json.Serialization;

namespace KvShiftScale.Trainer.Experiments;

/// <summary>The form of an experiment's JSON files: snake_case, enum values by name, infinities by name.</summary>
internal static class ExperimentJson
{
    public static JsonSerializerOptions Options { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        WriteIndented = true,
    };
}
