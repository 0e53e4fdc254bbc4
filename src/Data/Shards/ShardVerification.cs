namespace KvShiftScale.Data.Shards;

/// <summary>What <c>data verify</c> finds after reading every page.</summary>
/// <param name="Rows">Documents, empty ones included.</param>
/// <param name="Tokens">Tokens.</param>
/// <param name="Sha256">
/// Hash over each document's length and then its ids, all as little-endian int32, in lower-case hexadecimal. It depends on the documents
/// alone: not on row groups, encodings, compression or how they are spread over files.
/// </param>
public sealed record ShardVerification(long Rows, long Tokens, string Sha256)
{
    /// <summary>Reads a shard, or all that a folder or a pattern stands for, in name order.</summary>
    /// <param name="path">What to read.</param>
    /// <param name="report">Told the number of tokens so far after each row group.</param>
    /// <exception cref="FileNotFoundException">The path stands for no file.</exception>
    /// <exception cref="InvalidDataException">
    /// A shard is damaged, or holds an id outside the vocabulary that it states; the message names file and row group.
    /// </exception>
    public static ShardVerification Read(string path, Action<long>? report = null)
        => Read(ShardFiles.Find(path).Paths, report).Whole;

    /// <summary>Reads shards one after the other, as if they were one, and each for itself.</summary>
    public static (ShardVerification Whole, IReadOnlyList<ShardVerification> Files) Read(IReadOnlyList<string> files, Action<long>? report = null)
    {
        using var wholeHash = new DocumentHash();
        using var fileHash = new DocumentHash();
        var group = new DocumentGroup();
        var each = new List<ShardVerification>();
        var (rows, tokens) = (0L, 0L);
        foreach (var file in files)
        {
            using var shard = TokenShard.Open(file);
            var (fileRows, fileTokens) = (0L, 0L);
            for (var index = 0; index < shard.RowGroupCount; index++)
            {
                shard.ReadRowGroup(index, group, shard.VocabularySize);
                for (var document = 0; document < group.DocumentCount; document++)
                {
                    wholeHash.Append(group.Document(document));
                    if (files.Count > 1)
                    {
                        fileHash.Append(group.Document(document));
                    }
                }

                fileRows += group.DocumentCount;
                fileTokens += group.TokenCount;
                report?.Invoke(tokens + fileTokens);
            }

            rows += fileRows;
            tokens += fileTokens;
            each.Add(new ShardVerification(fileRows, fileTokens, fileHash.Finish()));
        }

        var whole = new ShardVerification(rows, tokens, wholeHash.Finish());
        return (whole, files.Count > 1 ? each : [whole]);
    }
}
