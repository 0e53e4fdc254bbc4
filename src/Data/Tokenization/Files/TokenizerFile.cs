using KvShiftScale.Data.Tokenization.Vocabulary;

namespace KvShiftScale.Data.Tokenization.Files;

/// <summary>Finds out of which kind the files at a path are, and reads them.</summary>
internal static class TokenizerFile
{
    private const string TiktokenExtension = ".tiktoken";

    /// <inheritdoc cref="TokenizerModel.Load"/>
    public static TokenizerDescription Read(string path)
    {
        if (File.Exists(path))
        {
            // A folder's tokenizer.json named by itself is the same tokenizer as the folder.
            return TokenizerCompanions.Apply(ReadFile(path), IsTokenizerJson(path) ? DirectoryOf(path) : null);
        }

        if (!Directory.Exists(path))
        {
            return TokenizerPreset.Has(path)
                ? TokenizerCompanions.Apply(TokenizerPreset.Read(path), null)
                : throw new FileNotFoundException(
                    $"No tokenizer at {path}: neither a folder nor a file, nor the name of a published encoding ({TokenizerPreset.Names}). "
                    + $"Name one of these, or train a tokenizer with 'kvshift tokenizer train --output {path}'.", path);
        }

        return ReadFolder(path);
    }

    /// <summary>Whether a path is that of a folder's <c>tokenizer.json</c>, which the files beside it belong to.</summary>
    public static bool IsTokenizerJson(string path) => Path.GetFileName(path) == TokenizerFolder.TokenizerFile;

    /// <summary>The folder of a file.</summary>
    public static string DirectoryOf(string path) => Path.GetDirectoryName(path) is { Length: > 0 } directory ? directory : ".";

    private static TokenizerDescription ReadFolder(string path)
    {
        var tokenizerFile = Path.Combine(path, TokenizerFolder.TokenizerFile);
        if (File.Exists(tokenizerFile))
        {
            return TokenizerCompanions.Apply(ReadFile(tokenizerFile), path);
        }

        if (File.Exists(Path.Combine(path, TokenizerFolder.VocabularyFile)) && File.Exists(Path.Combine(path, TokenizerFolder.MergesFile)))
        {
            return TokenizerCompanions.WithRolesAdded(TokenizerCompanions.Apply(VocabularyAndMerges.Read(path), path));
        }

        return FindTiktoken(path) is { } tiktokenFile
            ? TokenizerCompanions.Apply(ReadFile(tiktokenFile), path)
            : throw new FileNotFoundException(
                $"{path} holds no tokenizer; expected {TokenizerFolder.TokenizerFile}, {TokenizerFolder.VocabularyFile} with "
                + $"{TokenizerFolder.MergesFile}, or one {TiktokenExtension} file.",
                tokenizerFile);
    }

    /// <summary>The one tiktoken file of a folder; null where it has none, or several.</summary>
    public static string? FindTiktoken(string directory) => Directory.GetFiles(directory, "*" + TiktokenExtension) is [var file] ? file : null;

    private static TokenizerDescription ReadFile(string path) => IsTiktoken(path) ? TiktokenFile.Read(path) : TokenizerJsonReader.Read(path);

    public static bool IsTiktoken(string path) => path.EndsWith(TiktokenExtension, StringComparison.OrdinalIgnoreCase);
}
