using System.Buffers;
using System.Text;
using System.Text.Json;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>
/// <see cref="StepRecord"/> as one line of JSON. Numbers are written with the digits that read back to the same bits; a number that
/// is not finite has no JSON form and becomes null.
/// </summary>
internal static class StepRecordJson
{
    /// <summary>The line, its line break included.</summary>
    public static byte[] Write(StepRecord record)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer))
        {
            Write(json, record);
        }

        buffer.Write("\n"u8);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Writes the object.</summary>
    public static void Write(Utf8JsonWriter json, StepRecord record)
    {
        json.WriteStartObject();
        foreach (var metric in StepMetrics.All)
        {
            Write(json, metric, record[metric]);
        }

        ValidationLosses.WriteSets(json, record.ValidationSets);
        if (record.Probe is { } probe)
        {
            json.WritePropertyName("probe");
            ProbeRecordJson.Write(json, probe);
        }

        json.WriteEndObject();
    }

    /// <summary>Reads a line without its line break.</summary>
    /// <exception cref="JsonException">The line is not such an object.</exception>
    public static StepRecord Read(ReadOnlySpan<byte> line)
    {
        using var document = JsonDocument.Parse(Encoding.UTF8.GetString(line));
        return Read(document.RootElement);
    }

    /// <summary>Reads the object, also as earlier versions have written it into <c>state.json</c>.</summary>
    /// <exception cref="JsonException">It is not such an object.</exception>
    public static StepRecord Read(JsonElement json)
    {
        try
        {
            // Those wrote all properties: null stood for what is not there, and text for what is not finite.
            var isEarlier = json.TryGetProperty("read_retries", out _);
            var probe = json.TryGetProperty("probe", out var scores) && scores.ValueKind != JsonValueKind.Null ? ProbeRecordJson.Read(scores) : null;
            return StepRecord.Of(metric => Read(json, metric, isEarlier), probe, ValidationLosses.ReadSets(json));
        }
        catch (KeyNotFoundException)
        {
            throw new JsonException("a field is missing");
        }
        catch (InvalidOperationException error)
        {
            throw new JsonException("a field has the wrong type", error);
        }
        catch (FormatException error)
        {
            throw new JsonException("a number is out of range", error);
        }
    }

    private static void Write(Utf8JsonWriter json, StepMetric metric, double? value)
    {
        switch (metric.Form)
        {
            case MetricForm.None:
                break;
            case MetricForm.Flag when value is > 0:
                json.WriteBoolean(metric.Name, true);
                break;
            case MetricForm.Whole or MetricForm.OptionalWhole when value is { } number:
                json.WriteNumber(metric.Name, (long)number);
                break;
            case MetricForm.Number or MetricForm.NumberOrNull or MetricForm.Optional when value is { } number && double.IsFinite(number):
                json.WriteNumber(metric.Name, number);
                break;
            case MetricForm.Number or MetricForm.NumberOrNull:
            case MetricForm.Optional when value is not null:
                json.WriteNull(metric.Name);
                break;
        }
    }

    private static double? Read(JsonElement json, StepMetric metric, bool isEarlier)
    {
        var isThere = json.TryGetProperty(metric.Name, out var value);
        switch (metric.Form)
        {
            case MetricForm.None:
                return null;
            case MetricForm.Number or MetricForm.NumberOrNull or MetricForm.Whole when !isThere:
                throw new KeyNotFoundException();
            case MetricForm.Number:
                return NumberOf(value);
            case MetricForm.NumberOrNull:
                // Without the rate beside it, it is of a version that gave a share of something else under this name.
                return value.ValueKind == JsonValueKind.Number && json.TryGetProperty(StepMetrics.TflopsPerRank.Name, out _) ? value.GetDouble() : null;
            case MetricForm.Whole:
                return value.GetInt64();
            case MetricForm.OptionalWhole:
                return isThere && value.GetInt64() is var number and > 0 ? number : null;
            case MetricForm.Flag:
                return isThere && value.GetBoolean() ? 1 : null;
            default:
                return isThere && !(isEarlier && value.ValueKind == JsonValueKind.Null) ? NumberOf(value) : null;
        }
    }

    private static double NumberOf(JsonElement value) => value switch
    {
        { ValueKind: JsonValueKind.Null } => double.NaN,
        { ValueKind: JsonValueKind.String } text when text.GetString() is "NaN" or "Infinity" or "-Infinity" => double.NaN,
        _ => value.GetDouble(),
    };
}
