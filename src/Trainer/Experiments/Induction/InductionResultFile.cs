using System.Text.Json;
using KvShiftScale.Core.Files;

namespace KvShiftScale.Trainer.Experiments.Induction;

/// <summary>One finished run on disk.</summary>
internal static class InductionResultFile
{
    public static void Write(string path, InductionResult result)
        => DurableFile.Replace(path, JsonSerializer.Serialize(result, ExperimentJson.Options) + "\n");

    /// <summary>The result, or null where the file does not hold one of these settings.</summary>
    public static InductionResult? Read(string path, string settings)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            var result = JsonSerializer.Deserialize<InductionResult>(File.ReadAllBytes(path), ExperimentJson.Options);
            return result?.Settings == settings ? result : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
