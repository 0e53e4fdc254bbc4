using KvShiftScale.Core.Numbers;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Files;
using KvShiftScale.Data.Shards;

namespace KvShiftScale.Data.Loading;

/// <summary>Finds out which documents rows of the training order are made of, by reading the row groups of their windows once more.</summary>
public static class RowOrigins
{
    /// <summary>The origins of rows.</summary>
    /// <param name="catalog">The shards, in the order of <see cref="DataConfig.Train"/>, counted.</param>
    /// <param name="config">Context, packing, shuffling and order of rows.</param>
    /// <param name="seed">Names the order.</param>
    /// <param name="vocabularySize">Ids must be below it.</param>
    /// <param name="rows">Numbers of rows in the global order; ascending ones read least.</param>
    /// <param name="access">How files are read.</param>
    /// <exception cref="InvalidDataException">A shard is damaged.</exception>
    /// <exception cref="ShardFileException">A file cannot be read.</exception>
    public static IReadOnlyList<RowOrigin> Find(
        ShardCatalog catalog, DataConfig config, long seed, int vocabularySize, IEnumerable<long> rows, ReadAccess access)
    {
        using var readers = new RowGroupReaders(1, vocabularySize, access);
        var mixture = new MixtureOrder([.. catalog.Sources.Select(source => source.Weight)]);
        var streams = new RowStream?[catalog.Sources.Count];
        var (tokens, starts) = (new int[config.Context + 1], new int[config.Context]);
        var origins = new List<RowOrigin>();
        foreach (var row in rows)
        {
            mixture.Seek(row);
            var (source, sample) = mixture.Next();
            var stream = streams[source] ??= new RowStream(catalog.Sources[source], config, CounterRandom.Key((ulong)seed, (ulong)source), readers);
            var documents = new List<DocumentOrigin>();
            stream.Read(sample, tokens, starts, documents);
            origins.Add(new RowOrigin(row, source, stream.EpochOf(sample), documents));
        }
        return origins;
    }
}
