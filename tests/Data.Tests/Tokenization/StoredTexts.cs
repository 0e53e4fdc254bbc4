using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace KvShiftScale.Data.Tests.Tokenization;

/// <summary>Texts and ids in the folder <c>files</c>.</summary>
internal static class StoredTexts
{
    public static string PathOf(string name) => Path.Combine(AppContext.BaseDirectory, "Tokenization", "files", name);

    /// <summary>A text of a line of <c>texts.jsonl</c>; what is not UTF-8 in it is U+FFFD.</summary>
    public static string Read(string line)
    {
        var node = JsonNode.Parse(line)!;
        return node.GetValueKind() == JsonValueKind.String
            ? node.GetValue<string>()
            : Encoding.UTF8.GetString(Convert.FromBase64String(node["base64"]!.GetValue<string>()));
    }
}
