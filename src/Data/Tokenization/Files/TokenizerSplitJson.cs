using System.Text.RegularExpressions;
using KvShiftScale.Data.Tokenization.Normalization;
using KvShiftScale.Data.Tokenization.Splitting;
using KvShiftScale.Data.Tokenization.Splitting.Expressions;
using KvShiftScale.Data.Tokenization.Vocabulary;

namespace KvShiftScale.Data.Tokenization.Files;

/// <summary>The <c>pre_tokenizer</c> of a <c>tokenizer.json</c>.</summary>
internal static class TokenizerSplitJson
{
    /// <summary>The description with symbols, splitters and what is put before texts.</summary>
    public static TokenizerDescription Read(TokenizerJsonValue root, TokenizerDescription description)
    {
        description = description with { Symbols = SymbolKind.CharactersOrBytes };
        var isFirst = true;
        foreach (var part in root.Find("pre_tokenizer")?.Parts("pretokenizers") ?? [])
        {
            if (description.Symbols == SymbolKind.Bytes)
            {
                throw part.Error("comes after ByteLevel, which must be the last");
            }

            description = part.Type switch
            {
                "ByteLevel" => ReadByteLevel(part, description, isFirst),
                "Metaspace" => ReadMetaspace(part, description, isFirst),
                "Split" => ReadSplit(part, description),
                "Digits" => part.Flag("individual_digits", absent: false)
                    ? With(description, new DigitScanner(eachAlone: true), "single digits")
                    : With(description, new DigitScanner(eachAlone: false), "digits"),
                _ => throw part.Unknown("ByteLevel, Digits, Metaspace, Sequence and Split"),
            };
            isFirst = false;
        }

        return description;
    }

    /// <summary>The scanner that does what a published expression says; else the expression itself.</summary>
    /// <exception cref="InvalidDataException">The expression has a part that is not known here.</exception>
    public static (PieceSplitter Splitter, string Name) Splitter(string place, string expression, ExpressionDialect dialect)
    {
        if (SplitExpressions.TryFind(expression, out var scanner, out var name))
        {
            return (scanner, name);
        }

        try
        {
            return (new RegexSplitter(expression, dialect), $"split '{expression}'");
        }
        catch (FormatException error)
        {
            throw new InvalidDataException(
                $"{place}: the split expression '{expression}' is none of the published ones, and it cannot be followed exactly: {error.Message}. "
                + "Other ids than its own library's would be of no use.", error);
        }
    }

    public static MetaspaceRule ReadMetaspaceRule(TokenizerJsonValue part)
    {
        if (part.FindText("replacement") is { } replacement && replacement != MetaspaceScanner.Sign.ToString())
        {
            throw part.Error($"is '{replacement}'; only U+2581 is known here", ".replacement");
        }

        return part.FindText("prepend_scheme") switch
        {
            "always" => MetaspaceRule.Always,
            "first" => MetaspaceRule.First,
            "never" => MetaspaceRule.Never,
            null => part.Flag("add_prefix_space", absent: true) ? MetaspaceRule.Always : MetaspaceRule.Never,
            var other => throw part.Error($"is '{other}'; expected always, first or never", ".prepend_scheme"),
        };
    }

    private static TokenizerDescription ReadByteLevel(TokenizerJsonValue part, TokenizerDescription description, bool isFirst)
    {
        var addsPrefixBlank = part.Flag("add_prefix_space", absent: true);
        if (description.Metaspace is not null || (addsPrefixBlank && !isFirst))
        {
            throw part.Error("is ByteLevel behind Metaspace, or adds a blank to every piece; neither is known here");
        }

        description = description with { Symbols = SymbolKind.Bytes, AddsPrefixBlank = addsPrefixBlank };
        return part.Flag("use_regex", absent: true) ? With(description, Gpt2Scanner.Instance, SplitExpressions.Gpt2Name) : description;
    }

    private static TokenizerDescription ReadMetaspace(TokenizerJsonValue part, TokenizerDescription description, bool isFirst)
    {
        if (!isFirst)
        {
            throw part.Error("is Metaspace behind another one; it must be the first");
        }

        description = description with { Metaspace = ReadMetaspaceRule(part) };
        return part.Flag("split", absent: true) ? With(description, new MetaspaceScanner(keepRuns: false), "blanks") : description;
    }

    private static TokenizerDescription ReadSplit(TokenizerJsonValue part, TokenizerDescription description)
    {
        var pattern = part.Find("pattern") ?? throw part.Error("has no pattern");
        var expression = pattern.FindText("Regex") ?? Regex.Escape(pattern.Text("String"));
        var (splitter, name) = Splitter($"{part.File}: {pattern.Key}", expression, ExpressionDialect.Oniguruma);
        // Everything is a match of a published expression: what matches is kept either way.
        return (part.Text("behavior"), part.Flag("invert", absent: false)) switch
        {
            ("Isolated", _) => With(description, splitter, name),
            ("Removed", true) when splitter is PieceScanner => With(description, splitter, name),
            var (behavior, invert) => throw part.Error(
                $"has behavior {behavior}{(invert ? " with invert" : "")}; only Isolated is known here, and for published expressions Removed with invert"),
        };
    }

    private static TokenizerDescription With(TokenizerDescription description, PieceSplitter splitter, string name) => description with
    {
        Splitters = [.. description.Splitters, splitter],
        SplitterNames = [.. description.SplitterNames, name],
    };
}
