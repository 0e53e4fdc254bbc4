using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using KvShiftScale.Data.Tokenization.Training;

namespace KvShiftScale.Data.Tokenization.Files;

/// <summary>Files of a byte-level BPE: <c>vocab.json</c> with <c>merges.txt</c>, and <c>tokenizer.json</c> that says the same.</summary>
public static class TokenizerFolder
{
    internal const string VocabularyFile = "vocab.json";
    internal const string MergesFile = "merges.txt";
    internal const string TokenizerFile = "tokenizer.json";

    /// <summary>Token strings unescaped, as Hugging Face writes them; the same bytes on every system.</summary>
    internal static readonly JsonWriterOptions JsonOptions = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Indented = true,
        NewLine = "\n",
    };

    /// <summary>
    /// Writes the three files. Each appears under its name only when all of them are complete on disk; files of those names are replaced.
    /// </summary>
    public static void Save(TrainedBpe trained, string directory)
    {
        ArgumentNullException.ThrowIfNull(trained);
        ArgumentException.ThrowIfNullOrWhiteSpace(directory);
        Directory.CreateDirectory(directory);
        (string Name, Action<Stream> Write)[] files =
        [
            (TokenizerFile, stream => TokenizerJsonWriter.Write(trained, stream)),
            (VocabularyFile, stream => WriteVocabulary(trained, stream)),
            (MergesFile, stream => WriteMerges(trained, stream)),
        ];
        var temporaries = files.Select(file => Path.Combine(directory, $".{file.Name}.{Guid.NewGuid():N}.tmp")).ToArray();
        try
        {
            for (var i = 0; i < files.Length; i++)
            {
                using var stream = new FileStream(temporaries[i], FileMode.CreateNew, FileAccess.Write);
                files[i].Write(stream);
                stream.Flush(flushToDisk: true);
            }

            for (var i = 0; i < files.Length; i++)
            {
                File.Move(temporaries[i], Path.Combine(directory, files[i].Name), overwrite: true);
            }
        }
        finally
        {
            foreach (var temporary in temporaries)
            {
                File.Delete(temporary);
            }
        }
    }

    /// <summary>
    /// The files, by name, with which a folder such as a model's loads as the same tokenizer, here and in other programs: those of its folder,
    /// and <c>tokenizer.json</c> for a tiktoken encoding.
    /// </summary>
    /// <param name="path">As <see cref="TokenizerModel.Load"/> takes it.</param>
    /// <exception cref="FileNotFoundException">The path or the files in it do not exist.</exception>
    /// <exception cref="InvalidDataException">The files are damaged, or describe a tokenizer that works in another way.</exception>
    public static IReadOnlyDictionary<string, byte[]> FilesOf(string path) => TokenizerFiles.Of(path);

    private static void WriteVocabulary(TrainedBpe trained, Stream stream)
    {
        using var writer = new Utf8JsonWriter(stream, JsonOptions with { Indented = false });
        WriteVocabulary(trained, writer);
    }

    internal static void WriteVocabulary(TrainedBpe trained, Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        for (var id = 0; id < trained.Tokens.Count; id++)
        {
            writer.WriteNumber(trained.Tokens[id], id);
        }

        writer.WriteEndObject();
    }

    private static void WriteMerges(TrainedBpe trained, Stream stream)
    {
        using var writer = new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true);
        writer.NewLine = "\n";
        writer.WriteLine("#version: 0.2");
        foreach (var line in trained.MergeLines())
        {
            writer.WriteLine(line);
        }
    }
}
