using System.Text.Json;
using System.Text.Json.Nodes;

namespace KvShiftScale.Checkpoints.ModelFolders;

/// <summary>Ids with a meaning that config.json and generation_config.json name: what begins a text, and what ends one.</summary>
public static class TokenIds
{
    /// <summary>Name of the file that readers take for text that is generated.</summary>
    public const string GenerationFileName = "generation_config.json";

    private const string BeginKey = "bos_token_id";
    private const string EndKey = "eos_token_id";
    private const long LongestFile = 1 << 20;

    /// <summary>Ids that end a text by both files of a folder; none where they do not say.</summary>
    /// <exception cref="InvalidDataException">The file is damaged or the ids are no whole numbers.</exception>
    public static IReadOnlySet<int> EndsOf(string directory, ModelDescription description)
    {
        var ids = new HashSet<int>(description.StopIds);
        if (ReadGeneration(directory) is { } generation)
        {
            ids.UnionWith(ReadEnds(generation, Path.Combine(directory, GenerationFileName)));
        }

        return ids;
    }

    /// <summary>generation_config.json of a folder; null where there is none.</summary>
    /// <exception cref="InvalidDataException">It is no JSON object.</exception>
    internal static JsonObject? ReadGeneration(string directory) => ReadObject(Path.Combine(directory, GenerationFileName));

    /// <summary>A small JSON file beside a model's weights; null where there is none.</summary>
    /// <exception cref="InvalidDataException">It is no JSON object.</exception>
    internal static JsonObject? ReadObject(string path)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        if (new FileInfo(path).Length > LongestFile)
        {
            throw new InvalidDataException($"{path} is longer than {LongestFile} bytes, which no such file is");
        }

        try
        {
            return JsonNode.Parse(File.ReadAllBytes(path),
                documentOptions: new JsonDocumentOptions { MaxDepth = 16, AllowDuplicateProperties = false }) as JsonObject
                ?? throw new InvalidDataException($"{path} holds no JSON object, which is what such a file is");
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{path} is not JSON: {exception.Message}", exception);
        }
    }

    /// <summary>The ids that end a text, of one JSON object.</summary>
    /// <exception cref="InvalidDataException">They are no ids.</exception>
    internal static IReadOnlyList<int> ReadEnds(JsonObject root, string path) => root[EndKey] switch
    {
        null => [],
        JsonArray list => [.. list.Select(item => IdOf(item, EndKey, path))],
        var id => [IdOf(id, EndKey, path)],
    };

    /// <summary>The id that begins a text, of one JSON object.</summary>
    /// <exception cref="InvalidDataException">It is no id.</exception>
    internal static int? ReadBegin(JsonObject root, string path) => root[BeginKey] is { } id ? IdOf(id, BeginKey, path) : null;

    /// <summary>Ids as the files have them: none, one, or a list.</summary>
    internal static JsonNode? ToJson(IReadOnlyList<int> ids) => ids switch
    {
        [] => null,
        [var only] => only,
        _ => new JsonArray([.. ids.Select(id => (JsonNode)id)]),
    };

    private static int IdOf(JsonNode? item, string key, string path)
        => item is JsonValue value && value.GetValueKind() == JsonValueKind.Number && value.TryGetValue<int>(out var id) && id >= 0
            ? id
            : throw new InvalidDataException($"{path}: '{key}' holds {item?.ToJsonString() ?? "null"}; wanted ids that are not negative");
}
