using System.Text.Json;
using System.Text.Json.Nodes;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Data.Tokenization.Files;

namespace KvShiftScale.Checkpoints.ModelFolders;

/// <summary>
/// What stands beside the weights in a model folder: the tokenizer's files, and in config.json, tokenizer_config.json and
/// generation_config.json which tokens begin and end a text. Read once, so that a folder that disappears later is not missed.
/// </summary>
public sealed class ModelCompanions
{
    private const string TokenizerConfigName = "tokenizer_config.json";

    // What tokens there are. Files of two folders are never mixed.
    private static readonly string[] TokenFiles =
        ["tokenizer.json", "vocab.json", "merges.txt", "tokenizer.model", "added_tokens.json"];

    private const string TokenFileExtension = ".tiktoken";

    // How a text is put together of them and how it is generated.
    private static readonly string[] UseFiles =
        [TokenizerConfigName, "special_tokens_map.json", "chat_template.jinja", "chat_template.json", TokenIds.GenerationFileName];

    private readonly SortedDictionary<string, byte[]> _files = new(StringComparer.Ordinal);
    private readonly TokenizerModel? _tokenizer;
    private int? _begin;
    private IReadOnlyList<int> _ends = [];

    // What ends the documents that a run trains on: no text of it would end without.
    private int? _ownEnd;
    private JsonObject _others = [];

    private ModelCompanions(TokenizerModel? tokenizer) => _tokenizer = tokenizer;

    /// <summary>Those of a model folder that is to be written again: what it states stays, and what it leaves open its tokenizer says.</summary>
    /// <exception cref="InvalidDataException">A file is damaged.</exception>
    public static ModelCompanions OfFolder(string directory, ModelDescription description)
    {
        var companions = new ModelCompanions(TokenizerOf(directory));
        companions.TakeTokens(directory);
        companions.TakeUse(directory);
        companions.Inherit(directory, description);
        if (companions._ends.Count == 0 && companions._tokenizer?.EndOfTextId is { } end)
        {
            companions._ends = [end];
        }

        return companions;
    }

    /// <summary>
    /// Those of what a run trains: its own tokenizer's, which ends documents, and what the model that it began from has beside them.
    /// </summary>
    /// <param name="tokenizerPath">The run's tokenizer, a folder or a file; null where it has none.</param>
    /// <param name="predecessor">Model folder or checkpoint that it begins from or goes on from; null where there is none.</param>
    /// <exception cref="InvalidDataException">A file is damaged.</exception>
    public static ModelCompanions OfRun(string? tokenizerPath, string? predecessor)
    {
        var folder = predecessor is not null && Directory.Exists(predecessor) ? predecessor : null;
        var tokenizer = tokenizerPath is null ? folder is null ? null : TokenizerOf(folder) : TokenizerModel.Load(tokenizerPath);
        var companions = new ModelCompanions(tokenizer);
        // Ids of another tokenizer mean other tokens.
        if (folder is not null && (tokenizerPath is null || TokenizerDifference(folder, tokenizerPath) is null))
        {
            companions.TakeUse(folder);
            if (tokenizerPath is null)
            {
                companions.TakeTokens(folder);
            }

            companions.Inherit(folder, ModelDescription.Read(folder));
        }

        if (File.Exists(tokenizerPath))
        {
            var name = Path.GetExtension(tokenizerPath) == TokenFileExtension ? Path.GetFileName(tokenizerPath) : TokenFiles[0];
            companions._files[name] = File.ReadAllBytes(tokenizerPath);
        }
        else if (Directory.Exists(tokenizerPath))
        {
            companions.TakeTokens(tokenizerPath);
            companions.TakeUse(tokenizerPath);
        }
        else if (tokenizerPath is not null)
        {
            // An encoding that has a name and no files.
            foreach (var (name, content) in TokenizerFolder.FilesOf(tokenizerPath))
            {
                companions._files[name] = content;
            }
        }

        companions._ownEnd = tokenizerPath is null ? null : tokenizer?.EndOfTextId;
        if (companions._ownEnd is { } own && !companions._ends.Contains(own))
        {
            companions._ends = [own, .. companions._ends];
        }

        companions._begin ??= companions.NamedId("bos_token");
        return companions;
    }

    /// <summary>
    /// Why the tokens of a model folder are others than those of a tokenizer, in words; null where they are the same, or where the folder has none.
    /// </summary>
    public static string? TokenizerDifference(string folder, string? tokenizerPath)
    {
        if (tokenizerPath is null || TokenFilesOf(folder) is not { Count: > 0 } stored)
        {
            return null;
        }

        var isCopy = File.Exists(tokenizerPath)
            ? stored is [var only] && SameBytes(only, tokenizerPath)
            : stored.All(file => SameBytes(file, Path.Combine(tokenizerPath, Path.GetFileName(file))));
        if (isCopy)
        {
            return null;
        }

        var (then, now) = (TokenizerModel.Load(folder), TokenizerModel.Load(tokenizerPath));
        return then.Hash == now.Hash ? null : $"the tokenizer was {then.Hash} with {then.VocabularySize} tokens and {tokenizerPath} is {now.Hash} with {now.VocabularySize}";
    }

    /// <summary>A description with the ids and other keys that belong to it.</summary>
    public ModelDescription Describe(ModelDescription description)
        => description with { StopIds = _ends, BeginId = _begin, Others = _others };

    /// <summary>Writes all files but the weights; nothing forces them to the disk.</summary>
    /// <param name="directory">A folder that is there.</param>
    /// <param name="description">The model; see <see cref="Describe"/>.</param>
    /// <param name="dataType">Element type for config.json; null leaves the key out.</param>
    public void WriteTo(string directory, ModelDescription description, string? dataType = null)
    {
        File.WriteAllText(Path.Combine(directory, ModelDescription.FileName), description.ToJson(dataType));
        foreach (var (name, content) in _files)
        {
            File.WriteAllBytes(Path.Combine(directory, name), content);
        }

        if (!_files.ContainsKey(TokenizerConfigName) && _tokenizer is not null)
        {
            Write(directory, TokenizerConfigName, TokenizerConfig(description.Context));
        }

        var generation = GenerationConfig(directory);
        if (description.Naming == ModelNaming.HuggingFace)
        {
            TransformersClasses.WriteTo(directory);
            generation["use_cache"] = false;
        }

        Write(directory, TokenIds.GenerationFileName, generation);
    }

    private static void Write(string directory, string name, JsonObject json)
        => File.WriteAllText(Path.Combine(directory, name), json.ToJsonString(ModelDescription.Indented) + "\n");

    private static bool SameBytes(string file, string other)
        => File.Exists(other) && new FileInfo(file).Length == new FileInfo(other).Length && File.ReadAllBytes(file).AsSpan().SequenceEqual(File.ReadAllBytes(other));

    private static List<string> TokenFilesOf(string folder) =>
    [
        .. TokenFiles.Select(name => Path.Combine(folder, name)).Where(File.Exists),
        .. Directory.EnumerateFiles(folder, "*" + TokenFileExtension).Order(StringComparer.Ordinal),
    ];

    // A folder need not have one that can be read here, such as a SentencePiece model; its files travel all the same.
    private static TokenizerModel? TokenizerOf(string folder)
    {
        try
        {
            return TokenizerModel.Load(folder);
        }
        catch (Exception error) when (error is IOException or InvalidDataException)
        {
            return null;
        }
    }

    private void TakeTokens(string folder)
    {
        foreach (var file in TokenFilesOf(folder))
        {
            _files[Path.GetFileName(file)] = File.ReadAllBytes(file);
        }
    }

    private void TakeUse(string folder)
    {
        foreach (var name in UseFiles.Where(name => File.Exists(Path.Combine(folder, name))))
        {
            _files[name] = File.ReadAllBytes(Path.Combine(folder, name));
        }
    }

    private void Inherit(string folder, ModelDescription description)
    {
        var generation = TokenIds.ReadGeneration(folder);
        var path = Path.Combine(folder, TokenIds.GenerationFileName);
        _ends = description.StopIds.Count > 0 || generation is null ? description.StopIds : TokenIds.ReadEnds(generation, path);
        _begin = description.BeginId ?? (generation is null ? null : TokenIds.ReadBegin(generation, path)) ?? NamedId("bos_token");
        _others = description.Others;
    }

    // A token that tokenizer_config.json names; text, or an object with its text.
    private int? NamedId(string key)
    {
        if (_tokenizer is null || !_files.TryGetValue(TokenizerConfigName, out var bytes))
        {
            return null;
        }

        try
        {
            var named = JsonNode.Parse(bytes) is JsonObject root ? root[key] : null;
            var text = (named as JsonObject)?["content"] ?? named;
            return text is JsonValue value && value.TryGetValue<string>(out var token) && token.Length > 0
                && _tokenizer.Encode(token, SpecialTokens.Recognized) is [var id]
                ? id
                : null;
        }
        catch (JsonException)
        {
            // Not ours to judge: it is copied as it is, and nothing here needs it.
            return null;
        }
    }

    private JsonObject TokenizerConfig(int context) => new()
    {
        ["tokenizer_class"] = _files.ContainsKey(TokenFiles[0]) || !_files.ContainsKey("vocab.json") ? "PreTrainedTokenizerFast" : "GPT2Tokenizer",
        ["bos_token"] = _begin is { } begin ? NameOf(begin) : null,
        ["eos_token"] = _ends is [var end, ..] ? NameOf(end) : null,
        ["model_max_length"] = context,
        ["clean_up_tokenization_spaces"] = false,
    };

    // What generation begins and ends with, beside whatever the file has: for a reader that finds no ids there a text never ends.
    private JsonObject GenerationConfig(string directory)
    {
        var path = Path.Combine(directory, TokenIds.GenerationFileName);
        var json = TokenIds.ReadObject(path) ?? [];
        if (_begin is not null || !json.ContainsKey("bos_token_id"))
        {
            json["bos_token_id"] ??= _begin;
        }

        var ends = TokenIds.ReadEnds(json, path);
        if (ends.Count == 0)
        {
            json["eos_token_id"] = TokenIds.ToJson(_ends);
        }
        else if (_ownEnd is { } own && !ends.Contains(own))
        {
            json["eos_token_id"] = TokenIds.ToJson([own, .. ends]);
        }

        if (_others["pad_token_id"] is { } pad && json["pad_token_id"] is null)
        {
            json["pad_token_id"] = pad.DeepClone();
        }

        return json;
    }

    private string? NameOf(int id) => _tokenizer is not null && id < _tokenizer.VocabularySize ? _tokenizer.Decode([id]) : null;
}
