using System.Text.Json;

namespace KvShiftScale.Trainer.ModelFiles;

/// <summary>Ids that end a text: <c>eos_token_id</c> in config.json and generation_config.json, one id or a list.</summary>
internal static class StopIds
{
    /// <summary>Name of the file that generation takes precedence from.</summary>
    public const string GenerationFileName = "generation_config.json";

    private const long LongestFile = 1 << 20;

    /// <summary>The ids that both files of a folder name; none where they do not say.</summary>
    /// <exception cref="InvalidDataException">The file is damaged or the ids are no whole numbers.</exception>
    public static IReadOnlySet<int> Of(string directory, ModelDescription description)
    {
        var ids = new HashSet<int>(description.StopIds);
        var path = Path.Combine(directory, GenerationFileName);
        if (!File.Exists(path))
        {
            return ids;
        }

        if (new FileInfo(path).Length > LongestFile)
        {
            throw new InvalidDataException($"{path} is longer than {LongestFile} bytes, which no such file is");
        }

        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions { MaxDepth = 16 });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new InvalidDataException($"{path} holds a JSON {document.RootElement.ValueKind}; wanted an object");
            }

            ids.UnionWith(Read(document.RootElement, path));
            return ids;
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{path} is not JSON: {exception.Message}", exception);
        }
    }

    /// <summary>The ids of one JSON object.</summary>
    public static IReadOnlyList<int> Read(JsonElement root, string path)
    {
        if (!root.TryGetProperty("eos_token_id", out var value) || value.ValueKind == JsonValueKind.Null)
        {
            return [];
        }

        var ids = new List<int>();
        foreach (var item in value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : (IEnumerable<JsonElement>)[value])
        {
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt32(out var id) || id < 0)
            {
                throw new InvalidDataException($"{path}: 'eos_token_id' holds {item.ValueKind}; wanted ids that are not negative");
            }

            ids.Add(id);
        }
        return ids;
    }
}
