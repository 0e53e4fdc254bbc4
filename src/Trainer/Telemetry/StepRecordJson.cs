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
            json.WriteStartObject();
            json.WriteNumber("step", record.Step);
            WriteNumber(json, "loss", record.Loss);
            json.WriteNumber("tokens", record.Tokens);
            WriteNumber(json, "grad_norm", record.GradNorm);
            WriteNumber(json, "lr", record.Lr);
            WriteNumber(json, "tokens_per_second", record.TokensPerSecond);
            WriteNumber(json, "step_seconds", record.StepSeconds);
            WriteNumber(json, "mfu", record.Mfu ?? double.NaN);
            json.WriteNumber("peak_memory_bytes", record.PeakMemoryBytes);
            if (record.ValidationLoss is { } validationLoss)
            {
                WriteNumber(json, "validation_loss", validationLoss);
            }

            if (record.Skipped)
            {
                json.WriteBoolean("skipped", true);
            }

            if (record.SkippedSteps > 0)
            {
                json.WriteNumber("skipped_steps", record.SkippedSteps);
            }

            if (record.DataWaitFraction is { } fraction)
            {
                WriteNumber(json, "data_wait_fraction", fraction);
            }

            if (record.CommunicationHidden is { } hidden)
            {
                WriteNumber(json, "communication_hidden", hidden);
            }

            if (record.CommunicationExposedSeconds is { } exposed)
            {
                WriteNumber(json, "communication_exposed_seconds", exposed);
            }

            if (record.SaveSeconds is { } waited)
            {
                WriteNumber(json, "save_seconds", waited);
            }

            if (record.SaveWriteSeconds is { } written)
            {
                WriteNumber(json, "save_write_seconds", written);
            }

            if (record.Probe is { } probe)
            {
                json.WritePropertyName("probe");
                ProbeRecordJson.Write(json, probe);
            }

            json.WriteEndObject();
        }

        buffer.Write("\n"u8);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Reads a line without its line break.</summary>
    /// <exception cref="JsonException">The line is not such an object.</exception>
    public static StepRecord Read(ReadOnlySpan<byte> line)
    {
        try
        {
            using var document = JsonDocument.Parse(Encoding.UTF8.GetString(line));
            var json = document.RootElement;
            return new StepRecord
            {
                Step = json.GetProperty("step").GetInt64(),
                Loss = ReadNumber(json, "loss"),
                Tokens = json.GetProperty("tokens").GetInt64(),
                GradNorm = ReadNumber(json, "grad_norm"),
                Lr = ReadNumber(json, "lr"),
                TokensPerSecond = ReadNumber(json, "tokens_per_second"),
                StepSeconds = ReadNumber(json, "step_seconds"),
                Mfu = json.GetProperty("mfu") is { ValueKind: JsonValueKind.Number } mfu ? mfu.GetDouble() : null,
                PeakMemoryBytes = json.GetProperty("peak_memory_bytes").GetInt64(),
                ValidationLoss = json.TryGetProperty("validation_loss", out _) ? ReadNumber(json, "validation_loss") : null,
                Skipped = json.TryGetProperty("skipped", out var skipped) && skipped.GetBoolean(),
                SkippedSteps = json.TryGetProperty("skipped_steps", out var skippedSteps) ? skippedSteps.GetInt64() : 0,
                DataWaitFraction = json.TryGetProperty("data_wait_fraction", out _) ? ReadNumber(json, "data_wait_fraction") : null,
                CommunicationHidden = json.TryGetProperty("communication_hidden", out _) ? ReadNumber(json, "communication_hidden") : null,
                CommunicationExposedSeconds = json.TryGetProperty("communication_exposed_seconds", out _)
                    ? ReadNumber(json, "communication_exposed_seconds")
                    : null,
                SaveSeconds = json.TryGetProperty("save_seconds", out _) ? ReadNumber(json, "save_seconds") : null,
                SaveWriteSeconds = json.TryGetProperty("save_write_seconds", out _) ? ReadNumber(json, "save_write_seconds") : null,
                Probe = json.TryGetProperty("probe", out var probe) ? ProbeRecordJson.Read(probe) : null,
            };
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

    private static void WriteNumber(Utf8JsonWriter json, string name, double value)
    {
        if (double.IsFinite(value))
        {
            json.WriteNumber(name, value);
        }
        else
        {
            json.WriteNull(name);
        }
    }

    private static double ReadNumber(JsonElement json, string name) =>
        json.GetProperty(name) is { ValueKind: not JsonValueKind.Null } value ? value.GetDouble() : double.NaN;
}
