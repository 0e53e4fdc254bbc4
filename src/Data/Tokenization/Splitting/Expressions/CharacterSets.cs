using System.Collections.Concurrent;
using System.Globalization;

namespace KvShiftScale.Data.Tokenization.Splitting.Expressions;

/// <summary>
/// Sets of characters that expressions name: general categories from .NET, all others from <c>character-sets.txt</c>, which
/// <c>character-sets.mjs</c> has asked of Oniguruma.
/// </summary>
internal static class CharacterSets
{
    /// <summary>Ranges by name as the file spells it, such as <c>\w</c>, <c>[[:alpha:]]</c> and <c>\p{Han}</c>.</summary>
    private static readonly Lazy<Dictionary<string, string>> Stored = new(ReadStored);

    /// <summary>Properties by their names without case, blanks, hyphens and underscores.</summary>
    private static readonly Lazy<Dictionary<string, string>> StoredProperties = new(() => Stored.Value.Keys
        .Where(name => name.StartsWith(@"\p{", StringComparison.Ordinal)).ToDictionary(name => Loose(name[3..^1]), StringComparer.Ordinal));

    private static readonly Dictionary<string, UnicodeCategory[]> Categories = NamedCategories();

    private static readonly HashSet<string> PosixNames =
        ["alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word", "xdigit"];

    private static readonly ConcurrentDictionary<string, CodePointSet> Made = new(StringComparer.Ordinal);

    public static CodePointSet Digits(ExpressionDialect dialect) => dialect == ExpressionDialect.Oniguruma
        ? FromFile(@"\d")
        : OfCategory("nd")!;

    public static CodePointSet WhiteSpace => FromFile(@"\s");

    public static CodePointSet HexDigits => FromFile(@"\h");

    /// <summary>
    /// What <c>\w</c> is. Oniguruma has six characters in it, U+00B2 among them, that it has not within brackets. Rust follows Unicode's
    /// recommendation, joiners included.
    /// </summary>
    public static CodePointSet Words(ExpressionDialect dialect, bool inBrackets) => dialect == ExpressionDialect.Oniguruma
        ? FromFile(inBrackets ? "[[:word:]]" : @"\w")
        : Made.GetOrAdd("rust word", _ => FromFile(@"\p{Alphabetic}").Or(OfCategory("m")!).Or(OfCategory("nd")!).Or(OfCategory("pc")!)
            .Or(CodePointSet.Range(0x200C, 0x200D)));

    /// <summary>A POSIX bracket, or null for a name that there is not. In Rust's expressions they are of ASCII alone.</summary>
    public static CodePointSet? Posix(string name, ExpressionDialect dialect)
        => !PosixNames.Contains(name) ? null : dialect == ExpressionDialect.Oniguruma ? FromFile($"[[:{name}:]]") : AsciiPosix(name);

    /// <summary>A property by its name, or null for one that is not known here.</summary>
    public static CodePointSet? Property(string name, ExpressionDialect dialect, bool inBrackets)
    {
        if (dialect == ExpressionDialect.Rust && name.IndexOf('=', StringComparison.Ordinal) is var at and > 0)
        {
            return Loose(name[..at]) switch
            {
                "sc" or "script" => Property(name[(at + 1)..], dialect, inBrackets),
                "gc" or "generalcategory" => OfCategory(Loose(name[(at + 1)..])),
                _ => null,
            };
        }

        var loose = Loose(name);
        if (loose == "word" && dialect == ExpressionDialect.Oniguruma)
        {
            return Words(dialect, inBrackets);
        }

        return OfCategory(loose) ?? (StoredProperties.Value.TryGetValue(loose, out var stored)
            && !(dialect == ExpressionDialect.Rust && PosixNames.Contains(loose)) ? FromFile(stored) : null);
    }

    private static CodePointSet AsciiPosix(string name) => Made.GetOrAdd($"ascii {name}", _ => CodePointSet.OfRanges(name switch
    {
        "alnum" => [('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => [('A', 'Z'), ('a', 'z')],
        "ascii" => [(0, 0x7F)],
        "blank" => [('\t', '\t'), (' ', ' ')],
        "cntrl" => [(0, 0x1F), (0x7F, 0x7F)],
        "digit" => [('0', '9')],
        "graph" => [('!', '~')],
        "lower" => [('a', 'z')],
        "print" => [(' ', '~')],
        "punct" => [('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => [('\t', '\r'), (' ', ' ')],
        "upper" => [('A', 'Z')],
        "word" => [('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        _ => [('0', '9'), ('A', 'F'), ('a', 'f')],
    }));

    private static CodePointSet? OfCategory(string loose) => Categories.TryGetValue(loose, out var categories)
        ? Made.GetOrAdd($"category {loose}", _ => CodePointSet.OfCategories(categories))
        : null;

    private static CodePointSet FromFile(string name) => Made.GetOrAdd(name, _ =>
    {
        var ranges = new List<(int First, int Last)>();
        var end = 0;
        foreach (var range in Stored.Value[name].Split(' '))
        {
            var comma = range.IndexOf(',', StringComparison.Ordinal);
            var first = end + int.Parse(range.AsSpan(0, comma), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
            end = first + int.Parse(range.AsSpan(comma + 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
            ranges.Add((first, end - 1));
        }

        return CodePointSet.OfRanges(ranges);
    });

    private static string Loose(string name) => string.Concat(name.Where(character => character is not (' ' or '-' or '_'))).ToLowerInvariant();

    private static Dictionary<string, string> ReadStored()
    {
        using var stream = typeof(CharacterSets).Assembly.GetManifestResourceStream("character-sets.txt")!;
        using var reader = new StreamReader(stream);
        var sets = new Dictionary<string, string>(StringComparer.Ordinal);
        while (reader.ReadLine() is { } line)
        {
            var tab = line.IndexOf('\t', StringComparison.Ordinal);
            sets.Add(line[..tab], line[(tab + 1)..]);
        }

        return sets;
    }

    private static Dictionary<string, UnicodeCategory[]> NamedCategories()
    {
        (string Short, string Long, UnicodeCategory Category)[] single =
        [
            ("lu", "uppercaseletter", UnicodeCategory.UppercaseLetter), ("ll", "lowercaseletter", UnicodeCategory.LowercaseLetter),
            ("lt", "titlecaseletter", UnicodeCategory.TitlecaseLetter), ("lm", "modifierletter", UnicodeCategory.ModifierLetter),
            ("lo", "otherletter", UnicodeCategory.OtherLetter), ("mn", "nonspacingmark", UnicodeCategory.NonSpacingMark),
            ("mc", "spacingmark", UnicodeCategory.SpacingCombiningMark), ("me", "enclosingmark", UnicodeCategory.EnclosingMark),
            ("nd", "decimalnumber", UnicodeCategory.DecimalDigitNumber), ("nl", "letternumber", UnicodeCategory.LetterNumber),
            ("no", "othernumber", UnicodeCategory.OtherNumber), ("pc", "connectorpunctuation", UnicodeCategory.ConnectorPunctuation),
            ("pd", "dashpunctuation", UnicodeCategory.DashPunctuation), ("ps", "openpunctuation", UnicodeCategory.OpenPunctuation),
            ("pe", "closepunctuation", UnicodeCategory.ClosePunctuation), ("pi", "initialpunctuation", UnicodeCategory.InitialQuotePunctuation),
            ("pf", "finalpunctuation", UnicodeCategory.FinalQuotePunctuation), ("po", "otherpunctuation", UnicodeCategory.OtherPunctuation),
            ("sm", "mathsymbol", UnicodeCategory.MathSymbol), ("sc", "currencysymbol", UnicodeCategory.CurrencySymbol),
            ("sk", "modifiersymbol", UnicodeCategory.ModifierSymbol), ("so", "othersymbol", UnicodeCategory.OtherSymbol),
            ("zs", "spaceseparator", UnicodeCategory.SpaceSeparator), ("zl", "lineseparator", UnicodeCategory.LineSeparator),
            ("zp", "paragraphseparator", UnicodeCategory.ParagraphSeparator), ("cc", "control", UnicodeCategory.Control),
            ("cf", "format", UnicodeCategory.Format), ("cs", "surrogate", UnicodeCategory.Surrogate),
            ("co", "privateuse", UnicodeCategory.PrivateUse), ("cn", "unassigned", UnicodeCategory.OtherNotAssigned),
        ];
        (string Short, string Long)[] groups =
            [("l", "letter"), ("m", "mark"), ("n", "number"), ("p", "punctuation"), ("s", "symbol"), ("z", "separator"), ("c", "other")];
        var named = new Dictionary<string, UnicodeCategory[]>(StringComparer.Ordinal);
        foreach (var (shortName, longName, category) in single)
        {
            named[shortName] = named[longName] = [category];
        }

        foreach (var (shortName, longName) in groups)
        {
            named[shortName] = named[longName] =
                [.. single.Where(entry => entry.Short.StartsWith(shortName, StringComparison.Ordinal)).Select(entry => entry.Category)];
        }

        named["lc"] = named["casedletter"] = [UnicodeCategory.UppercaseLetter, UnicodeCategory.LowercaseLetter, UnicodeCategory.TitlecaseLetter];
        named["any"] = [.. single.Select(entry => entry.Category)];
        named["assigned"] = [.. named["any"].Where(category => category != UnicodeCategory.OtherNotAssigned)];
        return named;
    }
}
