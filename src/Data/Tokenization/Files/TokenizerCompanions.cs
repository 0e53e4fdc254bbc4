using System.Text.Json;
using KvShiftScale.Data.Tokenization.Vocabulary;

namespace KvShiftScale.Data.Tokenization.Files;

/// <summary>
/// The files beside a vocabulary that carry tokens, too: <c>added_tokens.json</c>, <c>special_tokens_map.json</c>,
/// <c>tokenizer_config.json</c>; and the ids in a model's <c>config.json</c> and <c>generation_config.json</c>. What they add is added; where
/// they contradict what is known, the folder is refused.
/// </summary>
internal static class TokenizerCompanions
{
    public const string AddedTokensFile = "added_tokens.json";
    public const string SpecialTokensFile = "special_tokens_map.json";
    public const string ConfigurationFile = "tokenizer_config.json";
    private const string ModelFile = "config.json";
    private const string GenerationFile = "generation_config.json";

    private const long LongestFile = 64 << 20;

    private static readonly string[] NamedTokens =
        ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    /// <summary>Spellings of the end of text in published vocabularies, the first that is found counts.</summary>
    private static readonly string[] EndOfTextNames = ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|end▁of▁sentence|>"];

    private static readonly string[] BeginOfTextNames = ["<|begin_of_text|>", "<s>", "<bos>", "<|startoftext|>", "<|begin▁of▁sentence|>"];

    /// <summary>The description with what the files of a folder say beside it. Without a folder, its tokens' names decide alone.</summary>
    /// <exception cref="InvalidDataException">A file is damaged, or contradicts another one.</exception>
    public static TokenizerDescription Apply(TokenizerDescription description, string? directory)
    {
        var configuration = ReadFile(directory, ConfigurationFile);
        var special = ReadFile(directory, SpecialTokensFile);
        if (directory is not null)
        {
            var specialNames = new HashSet<string>(new[] { special, configuration }.SelectMany(SpecialNames), StringComparer.Ordinal);
            description = WithTokens(description,
                [.. StatedTokens(configuration), .. AddedTokens(ReadFile(directory, AddedTokensFile), specialNames)]);
            description = WithSpecial(description, specialNames);
        }

        TokenizerJsonValue?[] named = [configuration, special];
        TokenizerJsonValue?[] numbered = [ReadFile(directory, ModelFile), ReadFile(directory, GenerationFile)];
        return description with
        {
            EndOfText = TokenRole.Of(description, "ends", Names(named, "eos_token"), Ids(numbered, "eos_token_id"), EndOfTextNames),
            BeginOfText = TokenRole.Of(description, "begins", Names(named, "bos_token"), Ids(numbered, "bos_token_id"), BeginOfTextNames),
        };
    }

    /// <summary>The tokens that end and begin documents as special ones: files without a list of added tokens do not say so.</summary>
    public static TokenizerDescription WithRolesAdded(TokenizerDescription description)
        => WithSpecial(description, [.. new[] { description.EndOfText?.Token, description.BeginOfText?.Token }.OfType<string>()]);

    /// <summary>A file of a folder; null where it does not exist.</summary>
    public static TokenizerJsonValue? ReadFile(string? directory, string name)
    {
        if (directory is null || new FileInfo(Path.Combine(directory, name)) is not { Exists: true } file)
        {
            return null;
        }

        if (file.Length > LongestFile)
        {
            throw new InvalidDataException($"{file.FullName}: has {file.Length} bytes; such a file has at most {LongestFile}.");
        }

        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(file.FullName));
            var value = new TokenizerJsonValue(Path.Combine(directory, name), "the file", document.RootElement.Clone());
            value.RequireKind(JsonValueKind.Object);
            return value with { Key = "" };
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{Path.Combine(directory, name)}: not JSON. {error.Message}", error);
        }
    }

    /// <summary>A token as a string, or as an object with its content; null where it is absent or null.</summary>
    private static string? Content(TokenizerJsonValue file, string key)
        => file.Find(key) is not { } value ? null
            : value.Element.ValueKind == JsonValueKind.Object ? value.Text("content") : file.FindText(key);

    private static List<TokenRole.Statement> Names(IEnumerable<TokenizerJsonValue?> files, string key)
        => [.. from file in files.OfType<TokenizerJsonValue>()
               let token = Content(file, key)
               where !string.IsNullOrEmpty(token)
               select new TokenRole.Statement($"{file.File}, {key},", token, null)];

    private static List<TokenRole.Statement> Ids(IEnumerable<TokenizerJsonValue?> files, string key)
    {
        var statements = new List<TokenRole.Statement>();
        foreach (var file in files.OfType<TokenizerJsonValue>())
        {
            if (file.Find(key) is not { } value)
            {
                continue;
            }

            // Of several ids that end a text, the first is the one of documents; the others end an answer.
            var first = value.Element.ValueKind == JsonValueKind.Array ? value.Element.EnumerateArray().FirstOrDefault() : value.Element;
            if (first.ValueKind == JsonValueKind.Number && first.TryGetInt32(out var id) && id >= 0)
            {
                statements.Add(new TokenRole.Statement($"{file.File}, {key},", null, id));
            }
            else if (first.ValueKind != JsonValueKind.Undefined)
            {
                throw value.Error($"is {value.Element.GetRawText()}; expected an id or a list of them");
            }
        }

        return statements;
    }

    /// <summary>Names of tokens that control a model.</summary>
    private static IEnumerable<string> SpecialNames(TokenizerJsonValue? file)
    {
        if (file is not { } root)
        {
            return [];
        }

        var additional = root.Find("additional_special_tokens") is { Element.ValueKind: JsonValueKind.Array } list
            ? list.Items().Select(item => item.Element.ValueKind == JsonValueKind.String ? item.Element.GetString() : item.FindText("content"))
            : [];
        return NamedTokens.Select(name => Content(root, name)).Concat(additional).OfType<string>();
    }

    /// <summary>Tokens by id in <c>added_tokens_decoder</c>.</summary>
    private static IEnumerable<(AddedToken Token, string Place, bool StatesFlags)> StatedTokens(TokenizerJsonValue? configuration)
    {
        if (configuration?.Find("added_tokens_decoder") is not { } tokens)
        {
            yield break;
        }

        tokens.RequireKind(JsonValueKind.Object);
        foreach (var entry in tokens.Element.EnumerateObject())
        {
            var token = new TokenizerJsonValue(tokens.File, $"{tokens.Key}.{entry.Name}", entry.Value);
            if (!int.TryParse(entry.Name, System.Globalization.NumberStyles.None, null, out var id) || entry.Value.ValueKind != JsonValueKind.Object)
            {
                throw token.Error("is no token by its id; expected an object with 'content'");
            }

            var added = TokenizerJsonReader.ReadAddedToken(token, token.Text("content"), id);
            yield return (added, $"{token.File}: {token.Key}", true);
        }
    }

    /// <summary>Ids by token in <c>added_tokens.json</c>.</summary>
    private static IEnumerable<(AddedToken Token, string Place, bool StatesFlags)> AddedTokens(TokenizerJsonValue? file, HashSet<string> special)
    {
        if (file is not { } root)
        {
            yield break;
        }

        foreach (var (content, id) in VocabularyAndMerges.ReadVocabulary(root.File, root.Element))
        {
            var isSpecial = special.Contains(content);
            yield return (new AddedToken(content, id, isSpecial, false, false, false, Normalized: !isSpecial), root.File, false);
        }
    }

    private static TokenizerDescription WithTokens(
        TokenizerDescription description, IReadOnlyList<(AddedToken Token, string Place, bool StatesFlags)> stated)
    {
        var added = description.AddedTokens.ToDictionary(token => token.Content, StringComparer.Ordinal);
        var vocabulary = new Dictionary<string, int>(StringComparer.Ordinal);
        Dictionary<int, string>? byId = null;
        foreach (var (token, place, statesFlags) in stated)
        {
            if (description.Vocabulary.TryGetValue(token.Content, out var id) || vocabulary.TryGetValue(token.Content, out id))
            {
                if (id != token.Id)
                {
                    throw new InvalidDataException($"{place}: token '{token.Content}' has the id {token.Id}, and in {description.Source} it has {id}. "
                        + "Use the files of one tokenizer, or remove the wrong one.");
                }
            }
            else
            {
                byId ??= description.Vocabulary.GroupBy(entry => entry.Value).ToDictionary(group => group.Key, group => group.First().Key);
                if (!byId.TryAdd(token.Id, token.Content))
                {
                    throw new InvalidDataException($"{place}: token '{token.Content}' has the id {token.Id}, which belongs to '{byId[token.Id]}' in "
                        + $"{description.Source}. Use the files of one tokenizer, or remove the wrong one.");
                }

                vocabulary.Add(token.Content, token.Id);
            }

            if (!added.TryGetValue(token.Content, out var known))
            {
                added.Add(token.Content, token);
            }
            else if (statesFlags && (known with { IsSpecial = token.IsSpecial, Normalized = token.Normalized }) != token
                && description.AddedTokens.Contains(known))
            {
                throw new InvalidDataException($"{place}: token '{token.Content}' has other lstrip, rstrip or single_word than in {description.Source}, "
                    + "which gives other ids. Make the files agree.");
            }
        }

        return description with
        {
            Vocabulary = vocabulary.Count == 0
                ? description.Vocabulary
                : new Dictionary<string, int>(description.Vocabulary.Concat(vocabulary), StringComparer.Ordinal),
            AddedTokens = [.. description.AddedTokens, .. added.Values.Except(description.AddedTokens)],
        };
    }

    /// <summary>What the vocabulary has of the special names is found in text on demand. A name that has no id stands for nothing.</summary>
    private static TokenizerDescription WithSpecial(TokenizerDescription description, HashSet<string> special)
    {
        var known = description.AddedTokens.Select(token => token.Content).ToHashSet(StringComparer.Ordinal);
        return description with
        {
            AddedTokens =
            [
                .. description.AddedTokens,
                .. from name in special
                   where !known.Contains(name) && description.Vocabulary.ContainsKey(name)
                   orderby description.Vocabulary[name]
                   select new AddedToken(name, description.Vocabulary[name], true, false, false, false, Normalized: false),
            ],
        };
    }
}
