using KvShiftScale.Data.Shards;

namespace KvShiftScale.ParityProgram;

/// <summary>
/// A token shard of documents from 1 to 40 tokens, many of them no multiple of a row, so that valid targets differ from row to row and
/// documents begin anywhere.
/// </summary>
internal static class ParityCorpus
{
    /// <summary>Writes the shard and returns its path.</summary>
    public static string Write(string folder, int vocabulary, int tokens)
    {
        var path = Path.Combine(folder, $"corpus-{vocabulary}.parquet");
        using var writer = new TokenShardWriter(path, new ShardWriterOptions { VocabularySize = vocabulary, TokenizerHash = "none", RowGroupTokens = 512 });
        var random = new Random(vocabulary);
        while (writer.TokenCount < tokens)
        {
            var document = new int[random.Next(1, 41)];
            for (var i = 0; i < document.Length; i++)
            {
                document[i] = random.Next(vocabulary);
            }

            writer.Append(document);
        }
        writer.Complete();
        return path;
    }
}
