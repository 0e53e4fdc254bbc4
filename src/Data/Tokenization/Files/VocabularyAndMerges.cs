using System.Text.Json;
using KvShiftScale.Data.Tokenization.Normalization;
using KvShiftScale.Data.Tokenization.Splitting;
using KvShiftScale.Data.Tokenization.Vocabulary;

namespace KvShiftScale.Data.Tokenization.Files;

/// <summary>
/// Reads <c>vocab.json</c> and <c>merges.txt</c>: byte-level, split as GPT-2 does, or as the class does that <c>tokenizer_config.json</c> beside
/// them names.
/// </summary>
internal static class VocabularyAndMerges
{
    /// <exception cref="InvalidDataException">A file is not what its name says.</exception>
    public static TokenizerDescription Read(string directory)
    {
        var vocabularyPath = Path.Combine(directory, TokenizerFolder.VocabularyFile);
        Dictionary<string, int> vocabulary;
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(vocabularyPath));
            vocabulary = ReadVocabulary(vocabularyPath, document.RootElement);
        }
        // InvalidOperationException: a string with half a surrogate pair.
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"{vocabularyPath}: not JSON. {error.Message}", error);
        }

        var mergesPath = Path.Combine(directory, TokenizerFolder.MergesFile);
        var merges = File.ReadLines(mergesPath)
            .Where(line => line.Length > 0 && !line.StartsWith("#version", StringComparison.Ordinal))
            .Select(line => ReadMerge(mergesPath, line))
            .ToList();
        return InManner(TokenizerCompanions.ReadFile(directory, TokenizerCompanions.ConfigurationFile), new TokenizerDescription
        {
            Source = directory,
            Vocabulary = vocabulary,
            Merges = merges,
            Splitters = [Gpt2Scanner.Instance],
            SplitterNames = [SplitExpressions.Gpt2Name],
        });
    }

    /// <summary>Neither file says how text is split; the class that is named beside them does.</summary>
    private static TokenizerDescription InManner(TokenizerJsonValue? configuration, TokenizerDescription description)
    {
        if (configuration is not { } root)
        {
            return description;
        }

        var name = root.FindText("tokenizer_class") ?? "GPT2Tokenizer";
        var bare = name.EndsWith("Fast", StringComparison.Ordinal) ? name[..^"Fast".Length] : name;
        switch (bare)
        {
            case "GPT2Tokenizer" or "RobertaTokenizer" or "BartTokenizer" or "LongformerTokenizer" or "CodeGenTokenizer":
                return description with { AddsPrefixBlank = root.Flag("add_prefix_space", absent: false) };
            case "Qwen2Tokenizer":
                SplitExpressions.TryFind(SplitExpressions.Qwen2, out var scanner, out var scannerName);
                return description with { Normalization = [new ComposeStep()], Splitters = [scanner!], SplitterNames = [scannerName!] };
            default:
                throw root.Error($"is '{name}', whose way to split is not known here without {TokenizerFolder.TokenizerFile}; known are GPT2Tokenizer, "
                    + "RobertaTokenizer, BartTokenizer, LongformerTokenizer, CodeGenTokenizer and Qwen2Tokenizer. Save the tokenizer with that file",
                    "tokenizer_class");
        }
    }

    public static Dictionary<string, int> ReadVocabulary(string place, JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            throw new InvalidDataException($"{place}: found {element.ValueKind}, expected an object of token string to id.");
        }

        var vocabulary = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var entry in element.EnumerateObject())
        {
            if (entry.Value.ValueKind != JsonValueKind.Number || !entry.Value.TryGetInt32(out var id) || id < 0)
            {
                throw new InvalidDataException($"{place}: token '{entry.Name}' has the id {entry.Value}, expected an integer from 0 on.");
            }

            if (!vocabulary.TryAdd(entry.Name, id))
            {
                throw new InvalidDataException($"{place}: token '{entry.Name}' stands twice.");
            }
        }

        return vocabulary;
    }

    /// <summary>A merge written "left right".</summary>
    public static (string Left, string Right) ReadMerge(string place, string line)
    {
        var blank = line.IndexOf(' ', StringComparison.Ordinal);
        if (blank <= 0 || blank == line.Length - 1 || line.IndexOf(' ', blank + 1) >= 0)
        {
            throw new InvalidDataException($"{place}: merge '{line}': expected two tokens with one blank between them.");
        }

        return (line[..blank], line[(blank + 1)..]);
    }
}
