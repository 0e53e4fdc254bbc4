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
        json.WriteNumber("step", record.Step);
        WriteNumber(json, "loss", record.Loss);
        json.WriteNumber("tokens", record.Tokens);
        WriteNumber(json, "grad_norm", record.GradNorm);
        WriteNumber(json, "lr", record.Lr);
        WriteNumber(json, "tokens_per_second", record.TokensPerSecond);
        WriteNumber(json, "step_seconds", record.StepSeconds);
        WriteNumber(json, "mfu", record.Mfu ?? double.NaN);
        json.WriteNumber("peak_memory_bytes", record.PeakMemoryBytes);
        WriteNumber(json, "tokens_per_second_per_rank", record.TokensPerSecondPerRank);
        WriteNumber(json, "tflops_per_rank", record.TflopsPerRank);
        WriteNumber(json, "matmul_share", record.MatmulShare);
        WriteNumber(json, "validation_loss", record.ValidationLoss);

        if (record.Skipped)
        {
            json.WriteBoolean("skipped", true);
        }

        if (record.SkippedSteps > 0)
        {
            json.WriteNumber("skipped_steps", record.SkippedSteps);
        }

        WriteNumber(json, "data_wait_fraction", record.DataWaitFraction);
        WriteNumber(json, "communication_hidden", record.CommunicationHidden);
        WriteNumber(json, "communication_exposed_seconds", record.CommunicationExposedSeconds);
        WriteNumber(json, "save_seconds", record.SaveSeconds);
        WriteNumber(json, "save_write_seconds", record.SaveWriteSeconds);

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
            return new StepRecord
            {
                Step = json.GetProperty("step").GetInt64(),
                Loss = ReadNumber(json, "loss"),
                Tokens = json.GetProperty("tokens").GetInt64(),
                GradNorm = ReadNumber(json, "grad_norm"),
                Lr = ReadNumber(json, "lr"),
                TokensPerSecond = ReadNumber(json, "tokens_per_second"),
                StepSeconds = ReadNumber(json, "step_seconds"),
                // Without the rate beside it, it is of a version that gave a share of something else under this name.
                Mfu = json.GetProperty("mfu") is { ValueKind: JsonValueKind.Number } mfu && json.TryGetProperty("tflops_per_rank", out _)
                    ? mfu.GetDouble() : null,
                PeakMemoryBytes = json.GetProperty("peak_memory_bytes").GetInt64(),
                TokensPerSecondPerRank = Optional("tokens_per_second_per_rank"),
                TflopsPerRank = Optional("tflops_per_rank"),
                MatmulShare = Optional("matmul_share"),
                ValidationLoss = Optional("validation_loss"),
                Skipped = json.TryGetProperty("skipped", out var skipped) && skipped.GetBoolean(),
                SkippedSteps = json.TryGetProperty("skipped_steps", out var skippedSteps) ? skippedSteps.GetInt64() : 0,
                DataWaitFraction = Optional("data_wait_fraction"),
                CommunicationHidden = Optional("communication_hidden"),
                CommunicationExposedSeconds = Optional("communication_exposed_seconds"),
                SaveSeconds = Optional("save_seconds"),
                SaveWriteSeconds = Optional("save_write_seconds"),
                Probe = json.TryGetProperty("probe", out var probe) && probe.ValueKind != JsonValueKind.Null ? ProbeRecordJson.Read(probe) : null,
            };

            double? Optional(string name) => json.TryGetProperty(name, out var value) && !(isEarlier && value.ValueKind == JsonValueKind.Null)
                ? ReadNumber(json, name) : null;
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

    // What is not there is left out; what is there and not finite is null.
    private static void WriteNumber(Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } number)
        {
            WriteNumber(json, name, number);
        }
    }

    private static double ReadNumber(JsonElement json, string name) => json.GetProperty(name) switch
    {
        { ValueKind: JsonValueKind.Null } => double.NaN,
        { ValueKind: JsonValueKind.String } text when text.GetString() is "NaN" or "Infinity" or "-Infinity" => double.NaN,
        var value => value.GetDouble(),
    };
}
