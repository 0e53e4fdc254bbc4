using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using KvShiftScale.Checkpoints.Safetensors;
using KvShiftScale.Parallel.Parameters;

namespace KvShiftScale.Checkpoints.Manifests;

/// <summary>The form of <c>manifest.json</c>. Its last property is the SHA-256 of every byte before it.</summary>
internal static class ManifestJson
{
    private const string ChecksumName = "manifest_sha256";

    private static readonly JsonWriterOptions Options = new() { Indented = true, NewLine = "\n" };

    /// <summary>The bytes of the file.</summary>
    /// <param name="manifest">What they say.</param>
    /// <param name="mostBytes">How many they may be.</param>
    /// <exception cref="InvalidDataException">They would be more.</exception>
    public static byte[] Write(CheckpointManifest manifest, long mostBytes)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            json.WriteStartObject();
            json.WriteNumber("format", CheckpointManifest.Format);
            json.WriteNumber("step", manifest.Step);
            json.WriteStartObject("versions");
            foreach (var (name, version) in manifest.Versions)
            {
                json.WriteString(name, version);
            }

            json.WriteEndObject();
            if (manifest.Content.Layout is { } layout)
            {
                WriteLayout(json, layout);
            }

            if (manifest.Content.ProbeTokens is { } tokens)
            {
                json.WriteNumber("probe_tokens", tokens);
            }

            json.WriteStartArray("probe_logits");
            foreach (var logit in manifest.Content.ProbeLogits)
            {
                json.WriteNumberValue(logit);
            }

            json.WriteEndArray();
            json.WriteStartArray("files");
            foreach (var file in manifest.Files)
            {
                json.WriteStartObject();
                json.WriteString("name", file.Name);
                json.WriteNumber("bytes", file.ByteCount);
                if (file.HeadSha256 is null)
                {
                    json.WriteString("sha256", file.Checksum);
                }
                else
                {
                    json.WriteString("head_sha256", file.HeadSha256);
                    json.WriteString("pieces_sha256", file.Checksum);
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
            WriteTensors(json, manifest.Content.Tensors, () => RequireRoom(json, manifest, mostBytes));
            json.WriteEndObject();
        }

        // The closing brace and the line break before it make room for the checksum.
        var body = buffer.WrittenSpan[..^2];
        return [.. body, .. Encoding.ASCII.GetBytes(Closing(body))];
    }

    /// <summary>Tensors as JSON, as ranks tell each other of them.</summary>
    public static string WriteTensors(IReadOnlyList<CheckpointTensor> tensors)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            WriteTensors(json, tensors);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    /// <summary>Reads what <see cref="WriteTensors(IReadOnlyList{CheckpointTensor})"/> has written.</summary>
    public static IReadOnlyList<CheckpointTensor> ReadTensors(string text)
    {
        using var document = JsonDocument.Parse(text);
        return ReadTensors(document.RootElement.GetProperty("tensors"));
    }

    public static CheckpointManifest Read(byte[] bytes)
    {
        try
        {
            using var document = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = 16 });
            return FromJson(document.RootElement);
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or OverflowException)
        {
            var fault = error switch
            {
                JsonException => $"is not JSON ({error.Message})",
                KeyNotFoundException => "lacks a field",
                InvalidOperationException => "has a field of the wrong type",
                _ => "has a number out of range",
            };
            throw new InvalidDataException($"{CheckpointManifest.FileName} {fault}", error);
        }
    }

    /// <summary>Whether a manifest ends in the checksum of what stands before it.</summary>
    public static bool HasItsChecksum(ReadOnlySpan<byte> bytes)
    {
        var length = Closing(default).Length;
        return bytes.Length > length && bytes[^length..].SequenceEqual(Encoding.ASCII.GetBytes(Closing(bytes[..^length])));
    }

    private static string Closing(ReadOnlySpan<byte> body)
        => $",\n  \"{ChecksumName}\": \"{Convert.ToHexStringLower(SHA256.HashData(body))}\"\n}}";

    private static void WriteLayout(Utf8JsonWriter json, CheckpointLayout layout)
    {
        json.WriteStartObject("layout");
        json.WriteNumber("ranks", layout.Ranks);
        json.WriteNumber("pipeline", layout.Pipeline);
        json.WriteNumber("data", layout.Data);
        json.WriteNumber("context", layout.Context);
        json.WriteNumber("tensor", layout.Tensor);
        json.WriteString("optimizer_sharding", layout.OptimizerSharding);
        json.WriteString("precision", layout.Precision);
        json.WriteEndObject();
    }

    // What a save needs to be read again, it is told before anything is renamed. No buffer grows much beyond the limit.
    private static void RequireRoom(Utf8JsonWriter json, CheckpointManifest manifest, long mostBytes)
    {
        // With the brackets and the checksum that are still to come.
        if (json.BytesCommitted + json.BytesPending + 128 <= mostBytes)
        {
            return;
        }

        var slices = manifest.Content.Tensors.Sum(tensor => (long)tensor.Slices.Count);
        throw new InvalidDataException(
            $"{CheckpointManifest.FileName} would have more than the {mostBytes} bytes that are read, with {slices:N0} slices in {manifest.Files.Count:N0} files; "
            + "save from fewer data-parallel ranks, or set parallel.optimizer_sharding: none, whose slices are fewer");
    }

    private static void WriteTensors(Utf8JsonWriter json, IReadOnlyList<CheckpointTensor> tensors, Action? afterEach = null)
    {
        // A line for each slice: they are most of a large manifest.
        var line = new ArrayBufferWriter<byte>();
        using var slices = new Utf8JsonWriter(line);
        json.WriteStartArray("tensors");
        foreach (var tensor in tensors)
        {
            json.WriteStartObject();
            json.WriteString("name", tensor.Name);
            json.WriteString("dtype", tensor.Entry.TypeName);
            json.WriteStartArray("shape");
            foreach (var extent in tensor.Shape)
            {
                json.WriteNumberValue(extent);
            }

            json.WriteEndArray();
            json.WriteStartArray("slices");
            foreach (var slice in tensor.Slices)
            {
                line.ResetWrittenCount();
                slices.Reset();
                WriteSlice(slices, slice);
                slices.Flush();
                json.WriteRawValue(line.WrittenSpan, skipInputValidation: true);
            }

            json.WriteEndArray();
            json.WriteEndObject();
            afterEach?.Invoke();
        }

        json.WriteEndArray();
    }

    private static void WriteSlice(Utf8JsonWriter json, TensorSlice slice)
    {
        json.WriteStartObject();
        json.WriteString("file", slice.File);
        json.WriteString("tensor", slice.Entry);
        json.WriteNumber("start", slice.Runs.Start);
        json.WriteNumber("length", slice.Runs.Length);
        if (slice.Runs.Count > 1)
        {
            json.WriteNumber("stride", slice.Runs.Stride);
            json.WriteNumber("count", slice.Runs.Count);
        }

        json.WriteString("hash", slice.Hash.ToString("x16", CultureInfo.InvariantCulture));
        json.WriteEndObject();
    }

    private static CheckpointManifest FromJson(JsonElement json)
    {
        var format = json.GetProperty("format").GetInt32();
        if (format is < CheckpointManifest.OldestFormat or > CheckpointManifest.Format)
        {
            throw new InvalidDataException(
                $"{CheckpointManifest.FileName} has format {format}; this version of the program reads formats {CheckpointManifest.OldestFormat} to {CheckpointManifest.Format}");
        }

        var files = new List<CheckpointFile>();
        foreach (var file in json.GetProperty("files").EnumerateArray())
        {
            var name = Text(file, "name");
            if (name.Length == 0 || Path.IsPathRooted(name) || name.Split('/', '\\').Contains(".."))
            {
                throw new InvalidDataException($"{CheckpointManifest.FileName} lists '{name}', which is not a path below the checkpoint");
            }

            var hasHead = file.TryGetProperty("head_sha256", out var head);
            files.Add(new CheckpointFile(name, file.GetProperty("bytes").GetInt64(),
                Text(file, hasHead ? "pieces_sha256" : "sha256"), hasHead ? head.GetString() ?? "" : null));
        }

        var tensors = ReadTensors(json.GetProperty("tensors"));
        Check(tensors, files);
        return new CheckpointManifest(json.GetProperty("step").GetInt64(), files, new CheckpointContent
        {
            Versions = json.GetProperty("versions").EnumerateObject().ToDictionary(version => version.Name, version => version.Value.GetString() ?? ""),
            Layout = json.TryGetProperty("layout", out var layout) ? ReadLayout(layout) : null,
            ProbeTokens = json.TryGetProperty("probe_tokens", out var tokens) ? Math.Max(1, tokens.GetInt32()) : null,
            ProbeLogits = [.. json.GetProperty("probe_logits").EnumerateArray().Select(number => number.GetDouble())],
            Tensors = tensors,
        });
    }

    private static CheckpointLayout ReadLayout(JsonElement json) => new(
        json.GetProperty("ranks").GetInt32(), json.GetProperty("data").GetInt32(), json.GetProperty("context").GetInt32(),
        json.GetProperty("tensor").GetInt32(), Text(json, "optimizer_sharding"), Text(json, "precision"))
    {
        // Layouts had none once.
        Pipeline = json.TryGetProperty("pipeline", out var pipeline) ? pipeline.GetInt32() : 1,
    };

    private static List<CheckpointTensor> ReadTensors(JsonElement json)
    {
        var tensors = new List<CheckpointTensor>();
        foreach (var tensor in json.EnumerateArray())
        {
            var name = Text(tensor, "name");
            var type = Text(tensor, "dtype");
            if (!SafetensorsEntry.TryParseType(type, out var parsed) || parsed is not (SafetensorsType.F32 or SafetensorsType.F64))
            {
                throw new InvalidDataException($"{CheckpointManifest.FileName}: '{name}' has the element type '{type}'; F32 and F64 are known");
            }

            var slices = new List<TensorSlice>();
            foreach (var slice in tensor.GetProperty("slices").EnumerateArray())
            {
                var length = slice.GetProperty("length").GetInt64();
                var runs = slice.TryGetProperty("count", out var count)
                    ? new ElementRuns(slice.GetProperty("start").GetInt64(), length, slice.GetProperty("stride").GetInt64(), count.GetInt64())
                    : ElementRuns.Consecutive(slice.GetProperty("start").GetInt64(), length);
                slices.Add(new TensorSlice(Text(slice, "file"), Text(slice, "tensor"), runs,
                    ulong.Parse(Text(slice, "hash"), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)));
            }

            tensors.Add(new CheckpointTensor(name, parsed, [.. tensor.GetProperty("shape").EnumerateArray().Select(extent => extent.GetInt64())], slices));
        }

        return tensors;
    }

    // Afterwards every slice is known to lie in its tensor and in a file of the list, and all of a tensor to be somewhere.
    private static void Check(List<CheckpointTensor> tensors, List<CheckpointFile> files)
    {
        var fileNames = files.Select(file => file.Name).ToHashSet();
        var names = new HashSet<string>();
        foreach (var tensor in tensors)
        {
            if (!names.Add(tensor.Name))
            {
                throw new InvalidDataException($"{CheckpointManifest.FileName}: '{tensor.Name}' stands twice");
            }

            if (tensor.Shape.Count == 0 || tensor.Shape.Any(extent => extent < 1))
            {
                throw Fault(tensor, "has a shape without elements");
            }

            var (total, found) = (tensor.ElementCount, 0L);
            foreach (var slice in tensor.Slices)
            {
                var (start, length, stride, count) = slice.Runs;
                if (start < 0 || length < 1 || count < 1 || stride < length || start > total || length > total || count > total
                    || checked(start + (count - 1) * stride) > total - length)
                {
                    throw Fault(tensor, $"has a slice in {slice.File} that goes beyond it");
                }

                if (!fileNames.Contains(slice.File))
                {
                    throw Fault(tensor, $"has a slice in {slice.File}, which is not in the list of files");
                }

                found = checked(found + slice.Runs.ElementCount);
            }

            if (found != total)
            {
                throw Fault(tensor, $"has {total} elements and slices of {found}");
            }
        }
    }

    private static InvalidDataException Fault(CheckpointTensor tensor, string fault)
        => new($"{CheckpointManifest.FileName}: '{tensor.Name}' {fault}");

    private static string Text(JsonElement json, string name) => json.GetProperty(name).GetString() ?? "";
}
