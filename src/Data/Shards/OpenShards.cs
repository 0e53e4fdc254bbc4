using KvShiftScale.Data.Files;
namespace KvShiftScale.Data.Shards;

/// <summary>
/// The shards that one thread has open: at most a few, so that a corpus may have more files than a process may open.
/// </summary>
/// <param name="vocabularySize">Ids must be below it; null where they are only counted.</param>
/// <param name="access">How files are read.</param>
/// <param name="cancellation">Ends pauses between repetitions.</param>
internal sealed class OpenShards(int? vocabularySize, ReadAccess access, CancellationToken cancellation) : IDisposable
{
    private const int Capacity = 8;

    // Least recently used first.
    private readonly List<TokenShard> _shards = new(Capacity);

    /// <summary>Decodes a row group and compares it with what the catalog knows of it.</summary>
    /// <exception cref="InvalidDataException">The row group is damaged, or holds another number of documents or tokens.</exception>
    /// <exception cref="ShardFileException">The file cannot be read or has changed.</exception>
    public void Read(ShardSummary summary, int rowGroup, DocumentGroup destination)
    {
        var shard = Open(summary);
        shard.ReadRowGroup(rowGroup, destination, vocabularySize);
        var promised = summary.RowGroups[rowGroup];
        if (destination.DocumentCount != promised.Documents
            || (promised.Tokens != RowGroupCounts.Unknown && destination.TokenCount != promised.Tokens))
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
            shard = TokenShard.Open(summary.Path, access, summary.Stamp, cancellation);
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
