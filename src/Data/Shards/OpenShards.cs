namespace KvShiftScale.Data;

/// <summary>The shards that a reader has open: at most a few, so that a corpus may have more files than a process may open.</summary>
internal sealed class OpenShards(int vocabularySize) : IDisposable
{
    private const int Capacity = 8;

    // Least recently used first.
    private readonly List<TokenShard> _shards = new(Capacity);

    public void Read(ShardSummary summary, int rowGroup, DocumentGroup destination)
    {
        var shard = Open(summary);
        shard.ReadRowGroup(rowGroup, destination, vocabularySize);
        var promised = summary.RowGroups[rowGroup];
        if (destination.DocumentCount != promised.Documents || destination.TokenCount != promised.Tokens)
        {
            throw new InvalidDataException(
                $"{summary.Path}: row group {rowGroup}: {destination.DocumentCount} documents with {destination.TokenCount} tokens, but "
                + $"{promised.Documents} with {promised.Tokens} when the run began. Shards must not change while they are read.");
        }
    }

    public void Dispose()
    {
        _shards.ForEach(shard => shard.Dispose());
        _shards.Clear();
    }

    private TokenShard Open(ShardSummary summary)
    {
        var index = _shards.FindIndex(shard => shard.Path == summary.Path);
        TokenShard shard;
        if (index >= 0)
        {
            shard = _shards[index];
            _shards.RemoveAt(index);
        }
        else
        {
            shard = TokenShard.Open(summary.Path);
            if (shard.RowGroupCount != summary.RowGroups.Count)
            {
                var found = shard.RowGroupCount;
                shard.Dispose();
                throw new InvalidDataException(
                    $"{summary.Path}: {found} row groups, but {summary.RowGroups.Count} when the run began. Shards must not change "
                    + "while they are read.");
            }

            if (_shards.Count == Capacity)
            {
                _shards[0].Dispose();
                _shards.RemoveAt(0);
            }
        }

        _shards.Add(shard);
        return shard;
    }
}
