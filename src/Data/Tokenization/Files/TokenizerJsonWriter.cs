using System.Text.Json;
using KvShiftScale.Data.Tokenization.Splitting;
using KvShiftScale.Data.Tokenization.Training;
using KvShiftScale.Data.Tokenization.Vocabulary;

namespace KvShiftScale.Data.Tokenization.Files;

/// <summary>Writes a trained encoding, or one of tiktoken's, as Hugging Face's <c>tokenizer.json</c>.</summary>
internal static class TokenizerJsonWriter
{
    public static void Write(TrainedBpe trained, Stream stream)
    {
        using var writer = new Utf8JsonWriter(stream, TokenizerFolder.JsonOptions);
        writer.WriteStartObject();
        writer.WriteString("version", "1.0");
        writer.WriteNull("truncation");
        writer.WriteNull("padding");
        writer.WriteStartArray("added_tokens");
        WriteSpecialToken(writer, trained.EndOfTextId, TrainedBpe.EndOfText);
        writer.WriteEndArray();
        writer.WriteNull("normalizer");
        writer.WritePropertyName("pre_tokenizer");
        WriteByteLevel(writer, usesRegex: true);
        writer.WriteNull("post_processor");
        writer.WritePropertyName("decoder");
        WriteByteLevel(writer, usesRegex: true);
        WriteModel(writer, takesWholePieces: false, () => TokenizerFolder.WriteVocabulary(trained, writer), trained.MergeLines());
        writer.WriteEndObject();
    }

    /// <summary>A tiktoken encoding, whose expression means the same in this file.</summary>
    public static void Write(TokenizerDescription description, Stream stream)
    {
        // A few hundred thousand lines of one word each would be twice as long with indentation.
        using var writer = new Utf8JsonWriter(stream, TokenizerFolder.JsonOptions with { Indented = false });
        writer.WriteStartObject();
        writer.WriteString("version", "1.0");
        writer.WriteNull("truncation");
        writer.WriteNull("padding");
        writer.WriteStartArray("added_tokens");
        foreach (var token in description.AddedTokens.OrderBy(token => token.Id))
        {
            WriteSpecialToken(writer, token.Id, token.Content);
        }

        writer.WriteEndArray();
        writer.WriteNull("normalizer");
        writer.WritePropertyName("pre_tokenizer");
        if (description.TiktokenPattern == SplitExpressions.Gpt2)
        {
            WriteByteLevel(writer, usesRegex: true);
        }
        else
        {
            WriteSplit(writer, description.TiktokenPattern!);
        }

        writer.WriteNull("post_processor");
        writer.WritePropertyName("decoder");
        WriteByteLevel(writer, usesRegex: true);
        WriteModel(writer, description.TakesWholePieces, WriteVocabulary, description.Merges.Select(merge => $"{merge.Left} {merge.Right}"));
        writer.WriteEndObject();

        // Special tokens too: others count on from the last token for those that the vocabulary lacks, and published ids have gaps.
        void WriteVocabulary()
        {
            writer.WriteStartObject();
            foreach (var (token, id) in description.Vocabulary.OrderBy(entry => entry.Value))
            {
                writer.WriteNumber(token, id);
            }

            writer.WriteEndObject();
        }
    }

    private static void WriteSpecialToken(Utf8JsonWriter writer, int id, string content)
    {
        writer.WriteStartObject();
        writer.WriteNumber("id", id);
        writer.WriteString("content", content);
        writer.WriteBoolean("single_word", false);
        writer.WriteBoolean("lstrip", false);
        writer.WriteBoolean("rstrip", false);
        writer.WriteBoolean("normalized", false);
        writer.WriteBoolean("special", true);
        writer.WriteEndObject();
    }

    private static void WriteSplit(Utf8JsonWriter writer, string expression)
    {
        writer.WriteStartObject();
        writer.WriteString("type", "Sequence");
        writer.WriteStartArray("pretokenizers");
        writer.WriteStartObject();
        writer.WriteString("type", "Split");
        writer.WriteStartObject("pattern");
        writer.WriteString("Regex", expression);
        writer.WriteEndObject();
        writer.WriteString("behavior", "Isolated");
        writer.WriteBoolean("invert", false);
        writer.WriteEndObject();
        WriteByteLevel(writer, usesRegex: false);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void WriteByteLevel(Utf8JsonWriter writer, bool usesRegex)
    {
        writer.WriteStartObject();
        writer.WriteString("type", "ByteLevel");
        writer.WriteBoolean("add_prefix_space", false);
        writer.WriteBoolean("trim_offsets", true);
        writer.WriteBoolean("use_regex", usesRegex);
        writer.WriteEndObject();
    }

    private static void WriteModel(Utf8JsonWriter writer, bool takesWholePieces, Action writeVocabulary, IEnumerable<string> mergeLines)
    {
        writer.WriteStartObject("model");
        writer.WriteString("type", "BPE");
        writer.WriteNull("dropout");
        writer.WriteNull("unk_token");
        writer.WriteNull("continuing_subword_prefix");
        writer.WriteNull("end_of_word_suffix");
        writer.WriteBoolean("fuse_unk", false);
        writer.WriteBoolean("byte_fallback", false);
        writer.WriteBoolean("ignore_merges", takesWholePieces);
        writer.WritePropertyName("vocab");
        writeVocabulary();
        // One string a merge: readers of every age know it; pairs came in later.
        writer.WriteStartArray("merges");
        foreach (var line in mergeLines)
        {
            writer.WriteStringValue(line);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}
