using System.Text.Json;
using KvShiftScale.Data.Tokenization.Normalization;
using KvShiftScale.Data.Tokenization.Splitting;
using KvShiftScale.Data.Tokenization.Vocabulary;

namespace KvShiftScale.Data.Tokenization.Files;

/// <summary>
/// Hugging Face's <c>tokenizer.json</c>, as far as it describes a BPE on bytes, or on characters with byte fallback. Whatever would give
/// other ids than its own library does with <c>add_special_tokens=False</c> is refused by name; post-processors, truncation and padding
/// only add to those ids or cut them, and are not looked at.
/// </summary>
internal static class TokenizerJsonReader
{
    /// <exception cref="InvalidDataException">Not JSON, not a tokenizer, or one that works in a way not known here.</exception>
    public static TokenizerDescription Read(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            return Read(path, new TokenizerJsonValue(path, "", document.RootElement));
        }
        // InvalidOperationException: a string with half a surrogate pair.
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"{path}: not JSON. {error.Message}", error);
        }
    }

    private static TokenizerDescription Read(string path, TokenizerJsonValue root)
    {
        if (root.Element.ValueKind != JsonValueKind.Object || root.Find("model") is not { Element.ValueKind: JsonValueKind.Object } model)
        {
            throw new InvalidDataException(
                $"{path}: no object 'model'; expected a Hugging Face tokenizer.json. For vocab.json with merges.txt give their folder.");
        }

        // Files of the first years leave the type out.
        if (model.FindText("type") is { } type && type != "BPE")
        {
            throw model.Unknown("BPE");
        }

        model.RequireUnset("dropout", "continuing_subword_prefix", "end_of_word_suffix");
        if (model.Find("vocab") is not { } vocabularyValue || model.Find("merges") is not { } mergesValue)
        {
            throw new InvalidDataException($"{path}: 'model' lacks 'vocab' or 'merges'; expected both.");
        }

        var vocabulary = VocabularyAndMerges.ReadVocabulary($"{path}, model.vocab", vocabularyValue.Element);
        var description = new TokenizerDescription
        {
            Source = path,
            Vocabulary = vocabulary,
            Merges = [.. mergesValue.Items().Select(ReadMerge)],
            TakesWholePieces = model.Flag("ignore_merges", absent: false),
            Normalization = ReadNormalization(root),
            AddedTokens = ReadAddedTokens(root, vocabulary),
        };
        description = TokenizerSplitJson.Read(root, description);
        if (description.Symbols == SymbolKind.CharactersOrBytes && !model.Flag("byte_fallback", absent: false))
        {
            throw new InvalidDataException(
                $"{path}: neither is model.byte_fallback set nor is ByteLevel the last pre_tokenizer; without one of them text that the "
                + "vocabulary does not spell is lost.");
        }

        return CutAtBlanks(description with { DecodingDropsFirstBlank = DropsFirstBlank(root, description.Symbols) });
    }

    private static List<NormalizationStep> ReadNormalization(TokenizerJsonValue root)
    {
        return root.Find("normalizer") is { } normalizer ? [.. normalizer.Parts("normalizers").Select(Step)] : [];

        static NormalizationStep Step(TokenizerJsonValue part) => part.Type switch
        {
            "Prepend" => new PrependStep(part.Text("prepend")),
            "Replace" => new ReplaceStep(Pattern(part), part.Text("content")),
            "NFC" => new ComposeStep(),
            _ => throw part.Unknown("NFC, Prepend, Replace and Sequence"),
        };

        static string Pattern(TokenizerJsonValue part)
        {
            var pattern = part.Find("pattern") ?? throw part.Error("has no pattern");
            return pattern.FindText("String") is { Length: > 0 } text ? text : throw pattern.Error("is no string that is not empty; only such are known here");
        }
    }

    /// <summary>Merges as "left right" (older files) or as ["left", "right"].</summary>
    private static (string Left, string Right) ReadMerge(TokenizerJsonValue merge) => merge.Element switch
    {
        { ValueKind: JsonValueKind.String } line => VocabularyAndMerges.ReadMerge(merge.File, line.GetString()!),
        { ValueKind: JsonValueKind.Array } pair when pair.GetArrayLength() == 2 && pair[0].ValueKind == JsonValueKind.String
            && pair[1].ValueKind == JsonValueKind.String => (pair[0].GetString()!, pair[1].GetString()!),
        _ => throw merge.Error($"is {merge.Element}; expected \"left right\" or [\"left\", \"right\"]"),
    };

    /// <summary>Adds the tokens to the vocabulary, too.</summary>
    private static List<AddedToken> ReadAddedTokens(TokenizerJsonValue root, Dictionary<string, int> vocabulary)
    {
        var added = new List<AddedToken>();
        foreach (var token in root.Find("added_tokens")?.Items() ?? [])
        {
            if (token.Element.ValueKind != JsonValueKind.Object || token.FindText("content") is not { Length: > 0 } content
                || token.Find("id") is not { Element.ValueKind: JsonValueKind.Number } idValue
                || !idValue.Element.TryGetInt32(out var id) || id < 0)
            {
                throw token.Error($"is {token.Element}; expected an object with 'content' and 'id'");
            }

            if (vocabulary.TryGetValue(content, out var known) && known != id)
            {
                throw token.Error($"gives token '{content}' the id {id}, which is {known} in model.vocab");
            }

            vocabulary[content] = id;
            added.Add(ReadAddedToken(token, content, id));
        }

        return added;
    }

    /// <summary>A token with the settings that an object states.</summary>
    public static AddedToken ReadAddedToken(TokenizerJsonValue token, string content, int id) => new(
        content,
        id,
        IsSpecial: token.Flag("special", absent: false),
        SingleWord: token.Flag("single_word", absent: false),
        TakesBlanksBefore: token.Flag("lstrip", absent: false),
        TakesBlanksAfter: token.Flag("rstrip", absent: false),
        Normalized: token.Flag("normalized", absent: true));

    /// <summary>The decoder only says which bytes a token stands for, which is known; and whether the first blank was put there by encoding.</summary>
    private static bool DropsFirstBlank(TokenizerJsonValue root, SymbolKind symbols)
    {
        var drops = false;
        foreach (var part in root.Find("decoder")?.Parts("decoders") ?? [])
        {
            drops |= (symbols, part.Type) switch
            {
                (SymbolKind.Bytes, "ByteLevel") => false,
                (SymbolKind.CharactersOrBytes, "ByteFallback" or "Fuse" or "Replace") => false,
                (SymbolKind.CharactersOrBytes, "Strip") => part.Find("start") is { } start && start.Element.GetRawText() == "1",
                (SymbolKind.CharactersOrBytes, "Metaspace") => TokenizerSplitJson.ReadMetaspaceRule(part) != MetaspaceRule.Never,
                (SymbolKind.Bytes, _) => throw part.Unknown("ByteLevel for a vocabulary of bytes"),
                _ => throw part.Unknown("ByteFallback, Fuse, Metaspace, Replace, Sequence and Strip"),
            };
        }

        return drops;
    }

    /// <summary>
    /// A text that is one piece may be cut before a blank where no token has a blank behind something else: no merge reaches over the cut. The
    /// ids are the same, and short pieces are found in the cache.
    /// </summary>
    private static TokenizerDescription CutAtBlanks(TokenizerDescription description)
    {
        var isOnePiece = description is { Symbols: SymbolKind.CharactersOrBytes, Splitters.Count: 0, TakesWholePieces: false };
        return isOnePiece && !description.Merges.Any(merge => HasInnerBlank(merge.Left + merge.Right))
            ? description with { Splitters = [new MetaspaceScanner(keepRuns: true)] }
            : description;

        static bool HasInnerBlank(string token)
        {
            for (var i = 1; i < token.Length; i++)
            {
                if (token[i] == MetaspaceScanner.Sign && token[i - 1] != MetaspaceScanner.Sign)
                {
                    return true;
                }
            }

            return false;
        }
    }
}
