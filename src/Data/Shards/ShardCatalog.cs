using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Files;

namespace KvShiftScale.Data.Shards;

/// <summary>All shards of a list of sources, known from their footers. Reading ids is left to those who are given the catalog.</summary>
public sealed class ShardCatalog
{
    // Row groups that are named when ids are outside the vocabulary; of more the number is said.
    private const int MostNamed = 5;

    private ShardCatalog(IReadOnlyList<ShardSource> sources, IReadOnlyList<string> notices)
    {
        Sources = sources;
        Notices = notices;
        var shards = sources.SelectMany(source => source.Shards).ToArray();
        TokenizerHash = Agreed(shards, shard => shard.TokenizerHash, TokenShard.TokenizerKey);
        VocabularySize = Agreed(shards, shard => shard.VocabularySize, TokenShard.VocabularySizeKey);
        TokenizerSource = shards.FirstOrDefault(shard => shard.TokenizerHash is not null)?.Path;
        VocabularySource = shards.FirstOrDefault(shard => shard.VocabularySize is not null)?.Path;
    }

    /// <summary>The sources in configuration order, less those of which all files belong to an earlier one.</summary>
    public IReadOnlyList<ShardSource> Sources { get; }

    /// <summary>What a person should know of how the files were found, a line each.</summary>
    public IReadOnlyList<string> Notices { get; }

    /// <summary>The tokenizer of the shards; null when none of them states it.</summary>
    public string? TokenizerHash { get; }

    /// <summary>The shards' vocabulary size; null when none of them states it.</summary>
    public int? VocabularySize { get; }

    /// <summary>The first file that states the tokenizer; null when none does.</summary>
    public string? TokenizerSource { get; }

    /// <summary>The first file that states the vocabulary size; null when none does.</summary>
    public string? VocabularySource { get; }

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
    /// <exception cref="FileNotFoundException">A path or pattern stands for no file.</exception>
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
        var found = SourceFiles.Find(sources);
        ShardSource[] opened = [.. found.Sources.Select(source
            => new ShardSource(source.Source, [.. source.Files.Files.Select(name => ShardSummary.Read(Path.Combine(source.Files.Folder, name), name, access))]))];
        return new ShardCatalog(opened, [.. found.Notices, .. NoticesOf(opened), .. ManifestCheck.MissingParts(found.AllShards())]);
    }

    /// <summary>
    /// What the footers state of ids that a vocabulary does not have: file, row group, found and wanted. Null where they state no such id, which
    /// leaves those of which they state nothing.
    /// </summary>
    /// <param name="vocabularySize">Ids have to be below it.</param>
    public string? IdsOutside(int vocabularySize)
    {
        var outside = Sources.SelectMany(source => source.Shards)
            .SelectMany(shard => shard.StatedIds.Select((ids, rowGroup) => (shard.Path, RowGroup: rowGroup, Ids: ids)))
            .Where(group => group.Ids is { } ids && (ids.Smallest < 0 || ids.Largest >= vocabularySize)).ToArray();
        if (outside.Length == 0)
        {
            return null;
        }

        var named = outside.Take(MostNamed).Select(group => FormattableString.Invariant(
            $"{group.Path}: row group {group.RowGroup} has ids from {group.Ids!.Value.Smallest} to {group.Ids.Value.Largest}"));
        var more = outside.Length > MostNamed ? FormattableString.Invariant($"; and {outside.Length - MostNamed} more row groups") : "";
        return FormattableString.Invariant($"{string.Join("; ", named)}{more}, as the footer states; wanted ids in [0, {vocabularySize})");
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
        })], Notices);
    }

    // Other programs leave files without rows, and they do no harm, unless nobody knows of them.
    private static IEnumerable<string> NoticesOf(IReadOnlyList<ShardSource> sources)
    {
        ShardSummary[] all = [.. sources.SelectMany(source => source.Shards)];
        ShardSummary[] empty = [.. all.Where(shard => shard.DocumentCount == 0)];
        if (empty.Length > 0)
        {
            yield return FormattableString.Invariant($"{empty.Length} of {all.Length} files have no rows, {empty[0].Path} the first");
        }
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
