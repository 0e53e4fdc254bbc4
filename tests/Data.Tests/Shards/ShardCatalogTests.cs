using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Shards;

namespace KvShiftScale.Data.Tests.Shards;

public sealed class ShardCatalogTests : IDisposable
{
    private readonly ShardFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ShardsComeInOrdinalOrderWithTheirCounts()
    {
        _folder.Write("b.parquet", ShardFolder.Consecutive(0, 3));
        _folder.Write("a.parquet", ShardFolder.Consecutive(0, 2, 0, 5), rowGroupTokens: 2);
        _folder.Write("B.parquet", ShardFolder.Consecutive(0, 1));
        File.WriteAllText(_folder.PathOf("c.txt"), "not a shard");

        var catalog = _folder.Catalog();

        Assert.Equal(["B.parquet", "a.parquet", "b.parquet"], catalog.Sources[0].Shards.Select(shard => shard.Name));
        Assert.Equal(5, catalog.DocumentCount);
        Assert.Equal(11, catalog.TokenCount);
        Assert.Equal([new RowGroupCounts(1, 2), new RowGroupCounts(2, 5)], catalog.Sources[0].Shards[1].RowGroups);
        Assert.Equal(ShardFolder.Tokenizer, catalog.TokenizerHash);
        Assert.Equal(100_000, catalog.VocabularySize);
    }

    [Fact]
    public void MissingDataIsNamedWithGlobFolderAndRemedy()
    {
        var glob = Path.Combine(_folder.Folder, "books", "*.parquet");

        var error = Assert.Throws<FileNotFoundException>(() => ShardCatalog.Open([new DataSource(glob)]));

        Assert.Contains($"'{glob}'", error.Message, StringComparison.Ordinal);
        Assert.Contains($"the folder {Path.Combine(_folder.Folder, "books")} does not exist", error.Message, StringComparison.Ordinal);
        Assert.Contains("kvshift data prepare", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ShardsOfDifferentTokenizersAreRefused()
    {
        var first = _folder.Write("a.parquet", [[1]]);
        var second = _folder.Write("b.parquet", [[1]], options: ShardFolder.Options() with { TokenizerHash = "another" });

        var error = Assert.Throws<InvalidDataException>(_folder.Catalog);

        Assert.StartsWith(
            $"{second}: file metadata kvshift.tokenizer is another, but {ShardFolder.Tokenizer} in {first}.",
            error.Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void ShardsOfDifferentVocabulariesAreRefused()
    {
        _folder.Write("a.parquet", [[1]]);
        _folder.Write("b.parquet", [[1]], options: ShardFolder.Options(vocabularySize: 4096));

        var error = Assert.Throws<InvalidDataException>(_folder.Catalog);

        Assert.Contains("kvshift.vocab_size is 4096, but 100000", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FingerprintStaysWhenFilesAreCopiedElsewhere()
    {
        using var copy = new ShardFolder();
        var path = _folder.Write("a.parquet", ShardFolder.Consecutive(0, 2, 3));
        File.Copy(path, copy.PathOf("a.parquet"));
        File.SetLastWriteTimeUtc(copy.PathOf("a.parquet"), new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc));

        var difference = _folder.Catalog().Sources[0].Fingerprint.DifferenceFrom(copy.Catalog().Sources[0].Fingerprint);

        Assert.Null(difference);
    }

    [Fact]
    public void FingerprintNamesWhatChanged()
    {
        _folder.Write("a.parquet", ShardFolder.Consecutive(0, 2, 3));
        var before = _folder.Catalog().Sources[0].Fingerprint;

        _folder.Write("b.parquet", ShardFolder.Consecutive(0, 7));
        var added = _folder.Catalog().Sources[0].Fingerprint;
        Assert.Equal(
            "1 files with 2 documents and 5 tokens then; 2 files with 3 documents and 12 tokens now", before.DifferenceFrom(added));

        File.Delete(_folder.PathOf("a.parquet"));
        File.Delete(_folder.PathOf("b.parquet"));
        _folder.Write("renamed.parquet", ShardFolder.Consecutive(0, 2, 3));
        var renamed = _folder.Catalog().Sources[0].Fingerprint;
        Assert.StartsWith(
            "the same number of files, documents and tokens, but other names", before.DifferenceFrom(renamed), StringComparison.Ordinal);

        Assert.Equal("weight 1 then, 2.5 now", before.DifferenceFrom(before with { Weight = 2.5 }));
    }
}
