using System.Text.Json;
using System.Text.Json.Serialization;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>Where a step record is part of another JSON file it has the form of a line of <c>metrics.jsonl</c>.</summary>
internal sealed class StepRecordConverter : JsonConverter<StepRecord>
{
    /// <inheritdoc/>
    public override StepRecord Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        using var document = JsonDocument.ParseValue(ref reader);
        return document.RootElement.ValueKind == JsonValueKind.Object ? StepRecordJson.Read(document.RootElement)
            : throw new JsonException("a step record is an object");
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, StepRecord value, JsonSerializerOptions options) => StepRecordJson.Write(writer, value);
}
