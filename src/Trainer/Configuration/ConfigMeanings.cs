using System.Text.RegularExpressions;

namespace KvShiftScale.Trainer.Configuration;

/// <summary>What the keys of a configuration mean: the tables of docs/configuration.md, which the program carries with it.</summary>
internal static partial class ConfigMeanings
{
    private const string Document = "docs/configuration.md";

    /// <summary>Meanings by key, as plain text, in the document's order.</summary>
    public static IReadOnlyDictionary<string, string> Read()
    {
        using var stream = typeof(ConfigMeanings).Assembly.GetManifestResourceStream(Document)
            ?? throw new InvalidOperationException($"{Document} is not part of the program");
        using var text = new StreamReader(stream);
        return Row().Matches(text.ReadToEnd()).ToDictionary(row => row.Groups["key"].Value, row => Plain(row.Groups["meaning"].Value));
    }

    // Links become what they are called, and code its words.
    private static string Plain(string markdown) => Link().Replace(markdown, "${name}").Replace("`", "", StringComparison.Ordinal);

    [GeneratedRegex(@"^\| `(?<key>[a-z0-9_.]+)` \| [^|]* \| (?<meaning>.*?) \|\r?$", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex(@"\[(?<name>[^\]]+)\]\((?<target>[^)]+)\)")]
    private static partial Regex Link();
}
