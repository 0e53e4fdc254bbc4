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
            return ReadFile(path);
        }

        if (!Directory.Exists(path))
        {
            throw new FileNotFoundException(
                $"No tokenizer at {path}: neither a folder nor a file. Train one with 'kvshift tokenizer train --output {path}'.", path);
        }

        if (File.Exists(Path.Combine(path, TokenizerFolder.VocabularyFile)) && File.Exists(Path.Combine(path, TokenizerFolder.MergesFile)))
        {
            return VocabularyAndMerges.Read(path);
        }

        var tokenizerFile = Path.Combine(path, TokenizerFolder.TokenizerFile);
        if (File.Exists(tokenizerFile))
        {
            return ReadFile(tokenizerFile);
        }

        return Directory.GetFiles(path, "*" + TiktokenExtension) is [var tiktokenFile]
            ? ReadFile(tiktokenFile)
            : throw new FileNotFoundException(
                $"{path} holds no tokenizer; expected {TokenizerFolder.VocabularyFile} with {TokenizerFolder.MergesFile}, "
                + $"{TokenizerFolder.TokenizerFile}, or one {TiktokenExtension} file.",
                tokenizerFile);
    }

    private static TokenizerDescription ReadFile(string path)
        => path.EndsWith(TiktokenExtension, StringComparison.OrdinalIgnoreCase) ? TiktokenFile.Read(path) : TokenizerJsonReader.Read(path);
}
