using System.Buffers;
using System.Text.Json;

namespace KvShiftScale.Trainer.Checkpoints;

/// <summary>
/// <c>manifest.json</c> of a checkpoint: what belongs to it. Written last, so that a checkpoint without one was never finished.
/// </summary>
/// <param name="Step">Optimizer steps done.</param>
/// <param name="Versions">Versions of what wrote the checkpoint, by name.</param>
/// <param name="Files">Every file but the manifest, in the order of their names.</param>
public sealed record CheckpointManifest(long Step, IReadOnlyDictionary<string, string> Versions, IReadOnlyList<CheckpointFile> Files)
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "manifest.json";

    /// <summary>Version of the checkpoint's format that this program writes, and the only one that it reads.</summary>
    public const int Format = 1;

    private const long LongestManifest = 64L << 20;

    /// <summary>The manifest as JSON.</summary>
    internal byte[] ToJson()
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteNumber("format", Format);
            json.WriteNumber("step", Step);
            json.WriteStartObject("versions");
            foreach (var (name, version) in Versions)
            {
                json.WriteString(name, version);
            }

            json.WriteEndObject();
            json.WriteStartArray("files");
            foreach (var file in Files)
            {
                json.WriteStartObject();
                json.WriteString("name", file.Name);
                json.WriteNumber("bytes", file.ByteCount);
                json.WriteString("sha256", file.Sha256);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Reads the manifest of a checkpoint.</summary>
    /// <exception cref="InvalidDataException">It is missing, damaged, or of another format; the message does not name the path.</exception>
    internal static CheckpointManifest Read(string checkpointPath)
    {
        var file = new FileInfo(Path.Combine(checkpointPath, FileName));
        if (!file.Exists)
        {
            throw new InvalidDataException($"{FileName} is missing; writing was cut off before it");
        }

        if (file.Length > LongestManifest)
        {
            throw new InvalidDataException($"{FileName} has {file.Length} bytes; at most {LongestManifest} are sensible");
        }

        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(file.FullName));
            return FromJson(document.RootElement);
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{FileName} is not JSON ({error.Message})", error);
        }
        catch (KeyNotFoundException error)
        {
            throw new InvalidDataException($"{FileName} lacks a field", error);
        }
        catch (InvalidOperationException error)
        {
            throw new InvalidDataException($"{FileName} has a field of the wrong type", error);
        }
        catch (FormatException error)
        {
            throw new InvalidDataException($"{FileName} has a number out of range", error);
        }
    }

    private static CheckpointManifest FromJson(JsonElement json)
    {
        var format = json.GetProperty("format").GetInt32();
        if (format != Format)
        {
            throw new InvalidDataException($"{FileName} has format {format}; this version of the program reads format {Format}");
        }

        var files = new List<CheckpointFile>();
        foreach (var file in json.GetProperty("files").EnumerateArray())
        {
            var name = file.GetProperty("name").GetString() ?? "";
            if (name.Length == 0 || Path.IsPathRooted(name) || name.Split('/', '\\').Contains(".."))
            {
                throw new InvalidDataException($"{FileName} lists '{name}', which is not a path below the checkpoint");
            }

            files.Add(new CheckpointFile(name, file.GetProperty("bytes").GetInt64(), file.GetProperty("sha256").GetString() ?? ""));
        }

        var versions = json.GetProperty("versions").EnumerateObject().ToDictionary(
            version => version.Name, version => version.Value.GetString() ?? "");
        return new CheckpointManifest(json.GetProperty("step").GetInt64(), versions, files);
    }
}
