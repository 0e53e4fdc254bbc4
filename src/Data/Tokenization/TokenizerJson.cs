using System.Text.Json;

namespace KvShiftScale.Data.Tokenization;

/// <summary>
/// Hugging Face's <c>tokenizer.json</c>, as far as it describes a byte-level BPE that splits as GPT-2 does. Whatever would give other ids
/// than we do is refused by name.
/// </summary>
internal static class TokenizerJson
{
    public static void Write(TrainedBpe trained, Stream stream)
    {
        using var writer = new Utf8JsonWriter(stream, TokenizerFolder.JsonOptions);
        writer.WriteStartObject();
        writer.WriteString("version", "1.0");
        writer.WriteNull("truncation");
        writer.WriteNull("padding");
        writer.WriteStartArray("added_tokens");
        writer.WriteStartObject();
        writer.WriteNumber("id", trained.EndOfTextId);
        writer.WriteString("content", TrainedBpe.EndOfText);
        writer.WriteBoolean("single_word", false);
        writer.WriteBoolean("lstrip", false);
        writer.WriteBoolean("rstrip", false);
        writer.WriteBoolean("normalized", false);
        writer.WriteBoolean("special", true);
        writer.WriteEndObject();
        writer.WriteEndArray();
        writer.WriteNull("normalizer");
        WriteByteLevel(writer, "pre_tokenizer");
        writer.WriteNull("post_processor");
        WriteByteLevel(writer, "decoder");
        WriteModel(trained, writer);
        writer.WriteEndObject();
    }

    /// <exception cref="InvalidDataException">Not JSON, not a tokenizer, or one that works in a way not known here.</exception>
    public static BpeTables Read(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            return Read(path, document.RootElement);
        }
        // InvalidOperationException: a string with half a surrogate pair.
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"{path}: not JSON. {error.Message}", error);
        }
    }

    private static void WriteByteLevel(Utf8JsonWriter writer, string name)
    {
        writer.WriteStartObject(name);
        writer.WriteString("type", "ByteLevel");
        writer.WriteBoolean("add_prefix_space", false);
        writer.WriteBoolean("trim_offsets", true);
        writer.WriteBoolean("use_regex", true);
        writer.WriteEndObject();
    }

    private static void WriteModel(TrainedBpe trained, Utf8JsonWriter writer)
    {
        writer.WriteStartObject("model");
        writer.WriteString("type", "BPE");
        writer.WriteNull("dropout");
        writer.WriteNull("unk_token");
        writer.WriteNull("continuing_subword_prefix");
        writer.WriteNull("end_of_word_suffix");
        writer.WriteBoolean("fuse_unk", false);
        writer.WriteBoolean("byte_fallback", false);
        writer.WriteBoolean("ignore_merges", false);
        writer.WritePropertyName("vocab");
        TokenizerFolder.WriteVocabulary(trained, writer);
        // One string a merge: readers of every age know it; pairs came in later.
        writer.WriteStartArray("merges");
        foreach (var line in trained.MergeLines())
        {
            writer.WriteStringValue(line);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static BpeTables Read(string path, JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("model", out var model)
            || model.ValueKind != JsonValueKind.Object)
        {
            throw new InvalidDataException(
                $"{path}: no object 'model'; expected a Hugging Face tokenizer.json. For vocab.json with merges.txt give their folder.");
        }

        RequireType(path, "model", model, "BPE");
        RequireUnset(path, model, "model", ["dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"]);
        RequireUnset(path, root, "", ["normalizer"]);
        RequireByteLevelSplit(path, root);
        if (Find(root, "post_processor") is { } postProcessor)
        {
            RequireType(path, "post_processor", postProcessor, "ByteLevel");
        }

        if (Find(root, "decoder") is { } decoder)
        {
            RequireType(path, "decoder", decoder, "ByteLevel");
        }

        if (Find(model, "vocab") is not { } vocabularyElement || Find(model, "merges") is not { } mergesElement)
        {
            throw new InvalidDataException($"{path}: 'model' lacks 'vocab' or 'merges'; expected both.");
        }

        var vocabulary = TokenizerFolder.ReadVocabulary($"{path}, model.vocab", vocabularyElement);
        var added = ReadAddedTokens(path, root, vocabulary);
        return BpeTables.Create(path, vocabulary, ReadMerges(path, mergesElement), added);
    }

    private static void RequireByteLevelSplit(string path, JsonElement root)
    {
        var splitter = Find(root, "pre_tokenizer")
            ?? throw new InvalidDataException($"{path}: 'pre_tokenizer' is not set; expected ByteLevel.");
        if (splitter.ValueKind == JsonValueKind.Object && splitter.TryGetProperty("pretokenizers", out var parts)
            && parts.ValueKind == JsonValueKind.Array && parts.GetArrayLength() == 1)
        {
            splitter = parts[0];
        }

        RequireType(path, "pre_tokenizer", splitter, "ByteLevel");
        RequireUnset(path, splitter, "pre_tokenizer", ["add_prefix_space"]);
        if (splitter.TryGetProperty("use_regex", out var useRegex) && useRegex.ValueKind != JsonValueKind.True)
        {
            throw new InvalidDataException($"{path}: pre_tokenizer.use_regex is {useRegex}; only true (GPT-2's split) is known here.");
        }
    }

    private static List<string> ReadAddedTokens(string path, JsonElement root, Dictionary<string, int> vocabulary)
    {
        var added = new List<string>();
        if (Find(root, "added_tokens") is not { } tokens)
        {
            return added;
        }

        RequireKind(path, "added_tokens", tokens, JsonValueKind.Array);
        foreach (var token in tokens.EnumerateArray())
        {
            if (token.ValueKind != JsonValueKind.Object || Find(token, "content") is not { ValueKind: JsonValueKind.String } content
                || Find(token, "id") is not { ValueKind: JsonValueKind.Number } idElement
                || !idElement.TryGetInt32(out var id) || id < 0)
            {
                throw new InvalidDataException($"{path}: added_tokens holds {token}; expected an object with 'content' and 'id'.");
            }

            var name = content.GetString()!;
            if (Find(token, "special") is not { ValueKind: JsonValueKind.True })
            {
                throw new InvalidDataException(
                    $"{path}: added token '{name}' is not special; tokens that are cut out of ordinary text are not known here.");
            }

            if (vocabulary.TryGetValue(name, out var known) && known != id)
            {
                throw new InvalidDataException($"{path}: token '{name}' is {id} in added_tokens and {known} in model.vocab.");
            }

            vocabulary[name] = id;
            added.Add(name);
        }

        return added;
    }

    /// <summary>Merges as "left right" (older files) or as ["left", "right"].</summary>
    private static List<string> ReadMerges(string path, JsonElement element)
    {
        RequireKind(path, "model.merges", element, JsonValueKind.Array);
        var merges = new List<string>(element.GetArrayLength());
        foreach (var merge in element.EnumerateArray())
        {
            merges.Add(merge switch
            {
                { ValueKind: JsonValueKind.String } => merge.GetString()!,
                { ValueKind: JsonValueKind.Array } when merge.GetArrayLength() == 2 && merge[0].ValueKind == JsonValueKind.String
                    && merge[1].ValueKind == JsonValueKind.String => $"{merge[0].GetString()} {merge[1].GetString()}",
                _ => throw new InvalidDataException(
                    $"{path}: model.merges[{merges.Count}] is {merge}; expected \"left right\" or [\"left\", \"right\"]."),
            });
        }

        return merges;
    }

    private static void RequireType(string path, string name, JsonElement element, string wanted)
    {
        RequireKind(path, name, element, JsonValueKind.Object);
        var found = Find(element, "type");
        if (found is not { ValueKind: JsonValueKind.String } || found.Value.GetString() != wanted)
        {
            throw new InvalidDataException($"{path}: {name}.type is {found?.ToString() ?? "missing"}; only {wanted} is known here.");
        }
    }

    private static void RequireKind(string path, string name, JsonElement element, JsonValueKind wanted)
    {
        if (element.ValueKind != wanted)
        {
            throw new InvalidDataException($"{path}: {name} is {element.ValueKind}; expected {wanted}.");
        }
    }

    /// <summary>Settings that change ids must be absent, null, false, zero or empty.</summary>
    private static void RequireUnset(string path, JsonElement element, string parent, ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (Find(element, name) is { } value && value.ValueKind != JsonValueKind.False
                && value.GetRawText() is not ("\"\"" or "0" or "0.0"))
            {
                var key = parent.Length == 0 ? name : $"{parent}.{name}";
                throw new InvalidDataException($"{path}: {key} is {value.GetRawText()}; it is not known here and must not be set.");
            }
        }
    }

    /// <summary>The property, or null when it is absent or null.</summary>
    private static JsonElement? Find(JsonElement element, string name)
        => element.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
}
