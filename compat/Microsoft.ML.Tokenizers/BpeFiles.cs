using System.Text.Json;

namespace Microsoft.ML.Tokenizers;

/// <summary>Reads <c>vocab.json</c> and <c>merges.txt</c>.</summary>
internal static class BpeFiles
{
    public static List<KeyValuePair<string, int>> ReadVocabulary(string path)
    {
        var vocabulary = new List<KeyValuePair<string, int>>();
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            foreach (var entry in document.RootElement.EnumerateObject())
            {
                vocabulary.Add(new(entry.Name, entry.Value.GetInt32()));
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or FormatException)
        {
            throw new InvalidOperationException($"{path}: expected one JSON object of token string to integer id. {error.Message}", error);
        }

        return vocabulary;
    }

    public static List<string> ReadMerges(string path)
    {
        var merges = new List<string>();
        foreach (var line in File.ReadLines(path))
        {
            if (line.Length > 0 && !line.StartsWith("#version", StringComparison.Ordinal))
            {
                merges.Add(line);
            }
        }

        return merges;
    }
}
