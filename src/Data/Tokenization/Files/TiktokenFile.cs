using System.Globalization;
using System.Text.Json;
using KvShiftScale.Data.Tokenization.Splitting;
using KvShiftScale.Data.Tokenization.Splitting.Expressions;
using KvShiftScale.Data.Tokenization.Vocabulary;

namespace KvShiftScale.Data.Tokenization.Files;

/// <summary>
/// Reads <c>.tiktoken</c> files: a line for each token, its bytes in base64 and its rank, which is its id. Neither the split nor the special
/// tokens stand in them: known names (<c>gpt2</c>, <c>r50k_base</c>, <c>p50k_base</c>, <c>cl100k_base</c>, <c>o200k_base</c>) have the
/// published ones; beside any other <c>NAME.tiktoken</c> a <c>NAME.json</c> states them as <c>pattern</c> and <c>special_tokens</c>.
/// </summary>
internal static class TiktokenFile
{
    private static readonly Dictionary<string, (string Pattern, (string Name, int Id)[] SpecialTokens)> Published = new(StringComparer.Ordinal)
    {
        ["gpt2"] = (SplitExpressions.Gpt2, [("<|endoftext|>", 50256)]),
        ["r50k_base"] = (SplitExpressions.Gpt2, [("<|endoftext|>", 50256)]),
        ["p50k_base"] = (SplitExpressions.Gpt2, [("<|endoftext|>", 50256)]),
        ["cl100k_base"] = (SplitExpressions.Cl100k,
        [
            ("<|endoftext|>", 100257), ("<|fim_prefix|>", 100258), ("<|fim_middle|>", 100259), ("<|fim_suffix|>", 100260),
            ("<|endofprompt|>", 100276),
        ]),
        ["o200k_base"] = (SplitExpressions.O200k, [("<|endoftext|>", 199999), ("<|endofprompt|>", 200018)]),
    };

    /// <exception cref="FileNotFoundException">The name is not a known one, and no file of settings is beside it.</exception>
    /// <exception cref="InvalidDataException">A line is damaged, or the settings are.</exception>
    public static TokenizerDescription Read(string path)
    {
        var (pattern, specialTokens) = Settings(path);
        return Read(path, File.ReadLines(path), pattern, specialTokens);
    }

    /// <summary>A published encoding from the lines of its file.</summary>
    public static TokenizerDescription ReadPublished(string name, IEnumerable<string> lines)
    {
        var (pattern, specialTokens) = Published[name];
        return Read(name, lines, pattern, specialTokens);
    }

    private static TokenizerDescription Read(
        string source, IEnumerable<string> lines, string pattern, IReadOnlyList<(string Name, int Id)> specialTokens)
    {
        var vocabulary = new Dictionary<string, int>(StringComparer.Ordinal);
        var number = 0;
        foreach (var line in lines)
        {
            number++;
            if (line.Length == 0)
            {
                continue;
            }

            var (token, rank) = ReadLine($"{source}, line {number}", line);
            if (!vocabulary.TryAdd(token, rank))
            {
                throw new InvalidDataException($"{source}, line {number}: the token of '{line}' stands twice.");
            }
        }

        var (merges, reachesAll) = RankedMerges.Of(vocabulary);
        foreach (var (name, id) in specialTokens)
        {
            if (!vocabulary.TryAdd(name, id))
            {
                throw new InvalidDataException($"{source}: the special token '{name}' is an ordinary token, too.");
            }
        }

        var (splitter, splitterName) = TokenizerSplitJson.Splitter(source, pattern, ExpressionDialect.Rust);
        return new TokenizerDescription
        {
            Source = source,
            Vocabulary = vocabulary,
            Merges = merges,
            TiktokenPattern = pattern,
            TakesWholePieces = !reachesAll,
            Splitters = [splitter],
            SplitterNames = [splitterName],
            AddedTokens = [.. specialTokens.Select(token => new AddedToken(token.Name, token.Id, IsSpecial: true, false, false, false, false))],
        };
    }

    private static (string Token, int Rank) ReadLine(string place, string line)
    {
        var blank = line.IndexOf(' ', StringComparison.Ordinal);
        var bytes = new byte[line.Length];
        if (blank <= 0 || !Convert.TryFromBase64String(line[..blank], bytes, out var length) || length == 0
            || !int.TryParse(line.AsSpan(blank + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var rank))
        {
            throw new InvalidDataException($"{place}: found '{line}', expected the base64 of a token, a blank and its rank.");
        }

        return (string.Create(length, bytes, (token, content) =>
        {
            for (var i = 0; i < token.Length; i++)
            {
                token[i] = ByteAlphabet.Character(content[i]);
            }
        }), rank);
    }

    private static (string Pattern, IReadOnlyList<(string Name, int Id)> SpecialTokens) Settings(string path)
    {
        var settingsPath = Path.ChangeExtension(path, ".json");
        if (!File.Exists(settingsPath))
        {
            return Published.TryGetValue(Path.GetFileNameWithoutExtension(path), out var published)
                ? published
                : throw new FileNotFoundException(
                    $"{path}: not the name of a published encoding ({string.Join(", ", Published.Keys)}), so its split and its special tokens "
                    + $"must stand in {settingsPath}, which does not exist; expected {{\"pattern\": \"...\", \"special_tokens\": {{\"NAME\": ID}}}}.",
                    settingsPath);
        }

        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(settingsPath));
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("pattern", out var pattern)
                || pattern.ValueKind != JsonValueKind.String || !root.TryGetProperty("special_tokens", out var specialTokens))
            {
                throw new InvalidDataException($"{settingsPath}: expected an object with a string 'pattern' and an object 'special_tokens'.");
            }

            var tokens = VocabularyAndMerges.ReadVocabulary($"{settingsPath}, special_tokens", specialTokens);
            return (pattern.GetString()!, [.. tokens.Select(token => (token.Key, token.Value))]);
        }
        // InvalidOperationException: a string with half a surrogate pair.
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"{settingsPath}: not JSON. {error.Message}", error);
        }
    }
}
