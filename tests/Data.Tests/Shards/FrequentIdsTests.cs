using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Shards;

namespace KvShiftScale.Data.Tests.Shards;

public sealed class FrequentIdsTests
{
    [Fact]
    public void CountsWhatComesBeforeAnotherTokenInTheFirstRowGroupOfEachSource()
    {
        using var folder = new ShardFolder();
        // One row group a document of this size and more: the second document of each file is not looked at.
        folder.Write("a.parquet", [[5, 5, 3, 9], [7, 7, 7, 7, 7]], rowGroupTokens: 4);
        folder.Write("b.parquet", [[], [2, 3, 3, 9], [7, 7]], rowGroupTokens: 4);
        var catalog = ShardCatalog.Open([new DataSource(folder.PathOf("a.parquet")), new DataSource(folder.PathOf("b.parquet"))]);

        // 3 three times, 5 twice, 2 once; the last 9s do not count.
        Assert.Equal([3, 5, 2], FrequentIds.Of(catalog, vocabularySize: 10, most: 8));
        Assert.Equal([3, 5], FrequentIds.Of(catalog, vocabularySize: 10, most: 2));
    }

    [Fact]
    public void IdsOutsideTheVocabularyAreNamed()
    {
        using var folder = new ShardFolder();
        folder.Write("a.parquet", [[5, 11, 3]]);

        var error = Assert.Throws<InvalidDataException>(() => FrequentIds.Of(folder.Catalog(), vocabularySize: 10, most: 8));

        Assert.Contains("token 1 is 11", error.Message);
    }
}
