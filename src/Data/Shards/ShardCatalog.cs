using KvShiftScale.Data.Files;
namespace KvShiftScale.Data.Shards;

/// <summary>All shards of a list of sources, known from their footers. Reading ids is left to those who are given the catalog.</summary>
public sealed class ShardCatalog
{
    private ShardCatalog(IReadOnlyList<ShardSource> sources)
    {
        Sources = sources;
        var shards = sources.SelectMany(source => source.Shards).ToArray();
        TokenizerHash = Agreed(shards, shard => shard.TokenizerHash, TokenShard.TokenizerKey);
        VocabularySize = Agreed(shards, shard => shard.VocabularySize, TokenShard.VocabularySizeKey);
    }

    /// <summary>The sources in configuration order.</summary>
    public IReadOnlyList<ShardSource> Sources { get; }

    /// <summary>The tokenizer of the shards; null when none of them states it.</summary>
    public string? TokenizerHash { get; }

    /// <summary>The shards' vocabulary size; null when none of them states it.</summary>
    public int? VocabularySize { get; }

    /// <summary>Documents of all sources, empty ones included.</summary>
    public long DocumentCount => Sources.Sum(source => source.DocumentCount);

    /// <summary>Tokens of all sources.</summary>
    public long TokenCount => Sources.Sum(source => source.TokenCount);

    /// <summary>
    /// Finds the files of <paramref name="sources"/> and reads their footers, and the row groups whose number of tokens no footer states.
    /// </summary>
    /// <param name="sources">Globs and weights.</param>
    /// <param name="counting">How row groups are counted; one thread reads them all by default.</param>
    /// <param name="access">How files are read.</param>
    /// <exception cref="FileNotFoundException">A glob matches no file.</exception>
    /// <exception cref="InvalidDataException">A file is no token shard, or two of them differ in tokenizer or vocabulary.</exception>
    /// <exception cref="ShardFileException">The file system fails.</exception>
    public static ShardCatalog Open(IReadOnlyList<DataSource> sources, CountingOptions? counting = null, ReadAccess? access = null)
        => OpenUncounted(sources, access).Count(counting ?? new CountingOptions(), access);

    /// <summary>
    /// Reads footers only. Numbers of tokens may stay unknown, which is enough for reading from first to last.
    /// </summary>
    /// <inheritdoc cref="Open"/>
    public static ShardCatalog OpenUncounted(IReadOnlyList<DataSource> sources, ReadAccess? access = null)
    {
        if (sources.Count == 0)
        {
            throw new ArgumentException("No data source is given; list at least one glob of token shards.", nameof(sources));
        }

        access ??= new ReadAccess();
        return new ShardCatalog([.. sources.Select(source => Find(source, access))]);
    }

    /// <summary>The same shards with all counts known; row groups whose footer does not state them are read.</summary>
    /// <exception cref="InvalidDataException">A row group is damaged.</exception>
    /// <exception cref="ShardFileException">The file system fails.</exception>
    public ShardCatalog Count(CountingOptions counting, ReadAccess? access = null)
    {
        ShardSummary[] before = [.. Sources.SelectMany(source => source.Shards)];
        var shards = RowGroupCensus.Complete(before, counting, access ?? new ReadAccess());
        var next = 0;
        return ReferenceEquals(shards, before) ? this : new ShardCatalog([.. Sources.Select(source =>
        {
            var first = next;
            next += source.Shards.Count;
            return new ShardSource(new DataSource(source.Glob, source.Weight), [.. shards.Skip(first).Take(source.Shards.Count)]);
        })]);
    }

    private static ShardSource Find(DataSource source, ReadAccess access)
    {
        var (folder, files) = FileGlob.Expand(source.Glob);
        if (files.Count == 0)
        {
            var state = Directory.Exists(folder) ? "no file of this name in it" : "the folder does not exist";
            throw new FileNotFoundException(
                $"No token shard matches '{source.Glob}', looked for in {folder} ({state}). Correct the glob (relative to "
                + $"{Directory.GetCurrentDirectory()}), or write shards with 'kvshift data prepare'.", source.Glob);
        }

        return new ShardSource(source, [.. files.Select(name => ShardSummary.Read(Path.Combine(folder, name), name, access))]);
    }

    private static T? Agreed<T>(IReadOnlyList<ShardSummary> shards, Func<ShardSummary, T?> read, string key)
    {
        ShardSummary? first = null;
        foreach (var shard in shards)
        {
            var value = read(shard);
            if (value is null)
            {
                continue;
            }

            first ??= shard;
            if (!value.Equals(read(first)))
            {
                throw new InvalidDataException(
                    $"{shard.Path}: file metadata {key} is {value}, but {read(first)} in {first.Path}. One run reads shards of one "
                    + "tokenizer; prepare the data again with the same one.");
            }
        }

        return first is null ? default : read(first);
    }
}
