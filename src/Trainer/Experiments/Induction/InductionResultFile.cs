using System.Text.Json;
using System.Text.Json.Serialization;
using KvShiftScale.Trainer.Checkpoints;

namespace KvShiftScale.Trainer.Experiments.Induction;

/// <summary>One finished run on disk.</summary>
internal static class InductionResultFile
{
    /// <summary>As all files of an experiment: snake_case, enum values by name.</summary>
    public static JsonSerializerOptions Options { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        WriteIndented = true,
    };

    public static void Write(string path, InductionResult result)
        => DurableFile.Replace(path, JsonSerializer.Serialize(result, Options) + "\n");

    /// <summary>The result, or null where the file does not hold one of these settings.</summary>
    public static InductionResult? Read(string path, string settings)
    {
        if (!File.Exists(path)) return null;
        try
        {
            var result = JsonSerializer.Deserialize<InductionResult>(File.ReadAllBytes(path), Options);
            return result?.Settings == settings ? result : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
