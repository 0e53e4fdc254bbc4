using System.Buffers.Binary;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tokenization;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>Shards of six row groups whose last one has one id that the tokenizer does not have.</summary>
internal static class HiddenId
{
    public const int Id = 399;
    public const int LastRowGroup = 5;

    // Of another length than any number of the metadata that could be mistaken for it.
    private const int ClaimedVocabulary = 12_345;
    private const int DocumentTokens = 97;

    /// <summary>Writes one whose footer states the id.</summary>
    /// <param name="path">The shard.</param>
    /// <param name="tokenizer">Tokenizer that the shard states.</param>
    /// <param name="id">The id; one that the tokenizer has makes a good shard.</param>
    public static void Write(string path, TokenizerModel tokenizer, int id = Id)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using (var writer = new TokenShardWriter(path, new ShardWriterOptions
        {
            TokenizerHash = tokenizer.Hash,
            VocabularySize = ClaimedVocabulary,
            RowGroupTokens = 10 * DocumentTokens,
        }))
        {
            for (var document = 0; document < 10 * (LastRowGroup + 1); document++)
            {
                int[] ids = [.. Enumerable.Range(0, DocumentTokens).Select(i => (document * 7919 + i * i * 31) % tokenizer.VocabularySize)];
                ids[5] = document == 10 * LastRowGroup + 3 ? id : ids[5];
                // The largest id of every row group is the same.
                ids[6] = tokenizer.VocabularySize - 1;
                writer.Append(ids);
            }

            writer.Complete();
        }

        var bytes = File.ReadAllBytes(path);
        var key = bytes.AsSpan().LastIndexOf("kvshift.vocab_size"u8);
        var value = key + bytes.AsSpan(key).IndexOf("12345"u8);
        // The number of the run's vocabulary in as many digits.
        System.Text.Encoding.ASCII.GetBytes($"{tokenizer.VocabularySize:00000}").CopyTo(bytes, value);
        File.WriteAllBytes(path, bytes);
    }

    /// <summary>Makes a footer state an id that the tokenizer has in the place of the one that it does not have.</summary>
    public static void HideIn(string path, TokenizerModel tokenizer)
    {
        var bytes = File.ReadAllBytes(path);
        var footer = bytes.AsSpan(^(8 + BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(^8))));
        Span<byte> stated = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(stated, Id);
        for (int at; (at = footer.IndexOf(stated)) >= 0;)
        {
            BinaryPrimitives.WriteInt32LittleEndian(footer[at..], tokenizer.VocabularySize - 1);
        }

        File.WriteAllBytes(path, bytes);
    }
}
