using System.Text.Json;
using KvShiftScale.Data.Tokenization.Training;

namespace KvShiftScale.Data.Tokenization.Files;

/// <summary>Writes a trained encoding as Hugging Face's <c>tokenizer.json</c>.</summary>
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
        writer.WriteStartObject();
        writer.WriteNumber("id", trained.EndOfTextId);
        writer.WriteString("content", TrainedBpe.EndOfText);
        writer.WriteBoolean("single_word", false);
        writer.WriteBoolean("lstrip", false);
        writer.WriteBoolean("rstrip", false);
        writer.WriteBoolean("normalized", false);
        writer.WriteBoolean("special", true);
        writer.WriteEndObject();
        writer.WriteEndArray();
        writer.WriteNull("normalizer");
        WriteByteLevel(writer, "pre_tokenizer");
        writer.WriteNull("post_processor");
        WriteByteLevel(writer, "decoder");
        WriteModel(trained, writer);
        writer.WriteEndObject();
    }

    private static void WriteByteLevel(Utf8JsonWriter writer, string name)
    {
        writer.WriteStartObject(name);
        writer.WriteString("type", "ByteLevel");
        writer.WriteBoolean("add_prefix_space", false);
        writer.WriteBoolean("trim_offsets", true);
        writer.WriteBoolean("use_regex", true);
        writer.WriteEndObject();
    }

    private static void WriteModel(TrainedBpe trained, Utf8JsonWriter writer)
    {
        writer.WriteStartObject("model");
        writer.WriteString("type", "BPE");
        writer.WriteNull("dropout");
        writer.WriteNull("unk_token");
        writer.WriteNull("continuing_subword_prefix");
        writer.WriteNull("end_of_word_suffix");
        writer.WriteBoolean("fuse_unk", false);
        writer.WriteBoolean("byte_fallback", false);
        writer.WriteBoolean("ignore_merges", false);
        writer.WritePropertyName("vocab");
        TokenizerFolder.WriteVocabulary(trained, writer);
        // One string a merge: readers of every age know it; pairs came in later.
        writer.WriteStartArray("merges");
        foreach (var line in trained.MergeLines())
        {
            writer.WriteStringValue(line);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}
