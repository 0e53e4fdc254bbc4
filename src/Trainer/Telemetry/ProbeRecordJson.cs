using System.Text.Json;
using KvShiftScale.Models.Probing;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary><see cref="ProbeRecord"/> as the <c>probe</c> object of a line of <c>metrics.jsonl</c>.</summary>
internal static class ProbeRecordJson
{
    /// <summary>Writes the object.</summary>
    public static void Write(Utf8JsonWriter json, ProbeRecord probe)
    {
        var scores = probe.Scores;
        json.WriteStartObject();
        WriteNumber(json, "induction_accuracy", scores.Accuracy);
        WriteNumber(json, "first_copy_loss", scores.FirstCopyLoss);
        WriteNumber(json, "second_copy_loss", scores.SecondCopyLoss);
        WriteNumber(json, "loss_difference", scores.LossDifference);
        WriteNumber(json, "seconds", probe.Seconds);
        json.WriteStartArray("layers");
        foreach (var layer in scores.Layers)
        {
            json.WriteStartObject();
            WriteRow(json, "prefix_matching", layer.PrefixMatching);
            WriteRow(json, "copying", layer.Copying);
            WriteRows(json, "k_shift", layer.KeyShift);
            WriteRows(json, "v_shift", layer.ValueShift);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Reads the object. A field of another type, or none, gives the exceptions of <see cref="JsonElement"/>.</summary>
    public static ProbeRecord Read(JsonElement json) => new(
        new InductionScores(
            Number(json.GetProperty("induction_accuracy")),
            Number(json.GetProperty("first_copy_loss")),
            Number(json.GetProperty("second_copy_loss")),
            [.. json.GetProperty("layers").EnumerateArray().Select(layer => new LayerScores(
                Row(layer.GetProperty("prefix_matching")), Row(layer.GetProperty("copying")), Rows(layer, "k_shift"), Rows(layer, "v_shift")))]),
        Number(json.GetProperty("seconds")));

    private static void WriteNumber(Utf8JsonWriter json, string name, double value)
    {
        json.WritePropertyName(name);
        if (double.IsFinite(value))
        {
            json.WriteNumberValue(value);
        }
        else
        {
            json.WriteNullValue();
        }
    }

    private static void WriteRow(Utf8JsonWriter json, string? name, IReadOnlyList<float> row)
    {
        if (name is not null)
        {
            json.WritePropertyName(name);
        }

        json.WriteStartArray();
        foreach (var value in row)
        {
            if (float.IsFinite(value))
            {
                json.WriteNumberValue(value);
            }
            else
            {
                json.WriteNullValue();
            }
        }

        json.WriteEndArray();
    }

    private static void WriteRows(Utf8JsonWriter json, string name, IReadOnlyList<IReadOnlyList<float>>? rows)
    {
        if (rows is null)
        {
            return;
        }

        json.WriteStartArray(name);
        foreach (var row in rows)
        {
            WriteRow(json, null, row);
        }

        json.WriteEndArray();
    }

    private static double Number(JsonElement value) => value.ValueKind == JsonValueKind.Null ? double.NaN : value.GetDouble();

    private static IReadOnlyList<float> Row(JsonElement row) =>
        [.. row.EnumerateArray().Select(value => value.ValueKind == JsonValueKind.Null ? float.NaN : value.GetSingle())];

    private static IReadOnlyList<IReadOnlyList<float>>? Rows(JsonElement layer, string name) =>
        layer.TryGetProperty(name, out var rows) ? [.. rows.EnumerateArray().Select(Row)] : null;
}
