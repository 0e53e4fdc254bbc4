using System.Collections.Concurrent;
using KvShiftScale.Data.Tokenization.Splitting;
using KvShiftScale.Data.Tokenization.Splitting.Expressions;
using KvShiftScale.Data.Tokenization.Vocabulary;

namespace KvShiftScale.Data.Tokenization.Files;

/// <summary>The files that a folder needs to be a tokenizer.</summary>
internal static class TokenizerFiles
{
    private static readonly string[] FolderFiles =
    [
        TokenizerFolder.TokenizerFile, TokenizerFolder.VocabularyFile, TokenizerFolder.MergesFile, TokenizerCompanions.AddedTokensFile,
        TokenizerCompanions.SpecialTokensFile, TokenizerCompanions.ConfigurationFile,
    ];

    /// <summary>tokenizer.json of each preset that was asked for: making one takes a second.</summary>
    private static readonly ConcurrentDictionary<string, byte[]> Presets = new(StringComparer.Ordinal);

    /// <inheritdoc cref="TokenizerFolder.FilesOf"/>
    public static IReadOnlyDictionary<string, byte[]> Of(string path)
    {
        if (Directory.Exists(path))
        {
            return OfFolder(path);
        }

        if (!File.Exists(path))
        {
            return Named(TokenizerFolder.TokenizerFile, Presets.GetOrAdd(path, _ => Json(TokenizerFile.Read(path))));
        }

        return TokenizerFile.IsTiktoken(path) ? OfTiktoken(path)
            : TokenizerFile.IsTokenizerJson(path) ? OfFolder(TokenizerFile.DirectoryOf(path))
            : Named(TokenizerFolder.TokenizerFile, File.ReadAllBytes(path));
    }

    private static Dictionary<string, byte[]> OfFolder(string directory)
    {
        var found = FolderFiles.Where(name => File.Exists(Path.Combine(directory, name)))
            .ToDictionary(name => name, name => File.ReadAllBytes(Path.Combine(directory, name)), StringComparer.Ordinal);
        if (!found.ContainsKey(TokenizerFolder.TokenizerFile) && !found.ContainsKey(TokenizerFolder.VocabularyFile)
            && TokenizerFile.FindTiktoken(directory) is { } tiktoken)
        {
            foreach (var (name, content) in OfTiktoken(tiktoken))
            {
                found.Add(name, content);
            }
        }

        return found;
    }

    /// <summary>As <c>tokenizer.json</c>, where the split expression means the same in both dialects; else the file itself, with its settings.</summary>
    private static Dictionary<string, byte[]> OfTiktoken(string path)
    {
        var description = TiktokenFile.Read(path);
        // Those with a scanner are published in both dialects.
        return SplitExpressions.TryFind(description.TiktokenPattern!, out _, out _) || ExpressionTranslation.IsTheSameInBoth(description.TiktokenPattern!)
            ? Named(TokenizerFolder.TokenizerFile, Json(description))
            : new[] { path, Path.ChangeExtension(path, ".json") }.Where(File.Exists)
                .ToDictionary(file => Path.GetFileName(file), File.ReadAllBytes, StringComparer.Ordinal);
    }

    private static Dictionary<string, byte[]> Named(string name, byte[] content) => new(StringComparer.Ordinal) { [name] = content };

    private static byte[] Json(TokenizerDescription description)
    {
        using var content = new MemoryStream();
        TokenizerJsonWriter.Write(description, content);
        return content.ToArray();
    }
}
