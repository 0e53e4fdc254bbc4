using System.Text.Json;
using KvShiftScale.Core.Text;

namespace KvShiftScale.Trainer.Experiments;

/// <summary>The form of an experiment's JSON files: snake_case, enum values by name, infinities by name.</summary>
internal static class ExperimentJson
{
    public static JsonSerializerOptions Options { get; } = new(RecordJson.Line) { WriteIndented = true };
}
