namespace KvShiftScale.Data.Shards;

/// <summary>The ids that a corpus uses most, from a look at its beginning.</summary>
public static class FrequentIds
{
    /// <summary>
    /// The ids that occur most often in the first row group of every source, the most frequent first, the smaller first among equals. A
    /// document's last token does not count: nothing follows an end-of-text id.
    /// </summary>
    /// <param name="catalog">The shards.</param>
    /// <param name="vocabularySize">Ids must be below it.</param>
    /// <param name="most">Ids to return at most.</param>
    /// <exception cref="InvalidDataException">A shard is damaged or holds an id outside the vocabulary.</exception>
    public static IReadOnlyList<int> Of(ShardCatalog catalog, int vocabularySize, int most)
    {
        var counts = new long[vocabularySize];
        var group = new DocumentGroup();
        foreach (var source in catalog.Sources)
        {
            if (source.Shards.FirstOrDefault(summary => summary.RowGroups.Count > 0) is not { } first)
            {
                continue;
            }

            using var shard = TokenShard.Open(first.Path);
            shard.ReadRowGroup(0, group, vocabularySize);
            for (var document = 0; document < group.DocumentCount; document++)
            {
                var ids = group.Document(document);
                foreach (var id in ids[..Math.Max(0, ids.Length - 1)])
                {
                    counts[id]++;
                }
            }
        }

        return [.. Enumerable.Range(0, vocabularySize).Where(id => counts[id] > 0).OrderByDescending(id => counts[id]).Take(most)];
    }
}
