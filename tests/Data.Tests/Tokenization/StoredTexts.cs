using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
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

    /// <summary>The number of ids, and 16 hexadecimal digits of the SHA-256 of them as little-endian int32.</summary>
    public static string Digest(ReadOnlySpan<int> ids)
    {
        var hash = SHA256.HashData(MemoryMarshal.AsBytes(ids));
        return string.Create(CultureInfo.InvariantCulture, $"{ids.Length} {Convert.ToHexStringLower(hash.AsSpan(0, 8))}");
    }
}
