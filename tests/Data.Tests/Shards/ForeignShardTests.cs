using System.Security.Cryptography;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tests.Parquet;

namespace KvShiftScale.Data.Tests.Shards;

/// <summary>Files of DuckDB, arrow-rs and hyparquet are token shards as they are, whatever their codecs, pages and types.</summary>
public sealed class ForeignShardTests
{
    [Theory]
    [InlineData("duckdb-v1-snappy", 300, 1)]
    [InlineData("duckdb-v1dictionary-snappy", 800, 1)]
    [InlineData("duckdb-v1groups-zstd", 4200, 3)]
    [InlineData("duckdb-v1uint16-zstd", 300, 1)]
    [InlineData("duckdb-v2int64-snappy", 300, 1)]
    [InlineData("arrow-v1groups-zstd", 500, 5)]
    [InlineData("arrow-v1uint16-snappy", 300, 1)]
    [InlineData("arrow-v2fallback-brotli", 500, 1)]
    [InlineData("arrow-v2int64-snappy", 300, 1)]
    [InlineData("hyparquet-twolevel-snappy", 300, 1)]
    [InlineData("hyparquet-bare-snappy", 300, 1, false)]
    [InlineData("hyparquet-required-uncompressed", 300, 1, false)]
    public void ForeignFileHoldsTheDocumentsOfTheFormula(string name, int documents, int rowGroups, bool mayBeNull = true)
    {
        // A null list is an empty document.
        var expected = DocumentFormula.Documents(documents, mayBeNull).Select(tokens => tokens ?? []).ToArray();
        var content = expected.SelectMany(tokens => tokens.Prepend(tokens.Length).SelectMany(BitConverter.GetBytes)).ToArray();
        var tokenCount = expected.Sum(tokens => tokens.Length);

        var verification = ShardVerification.Read(ForeignFile.PathOf(name));
        var catalog = ShardCatalog.Open([new DataSource(ForeignFile.PathOf(name))]);

        Assert.Equal(new ShardVerification(documents, tokenCount, Convert.ToHexStringLower(SHA256.HashData(content))), verification);
        Assert.Equal((documents, tokenCount), (catalog.DocumentCount, catalog.TokenCount));
        Assert.Equal(rowGroups, catalog.Sources[0].Shards[0].RowGroups.Count);
    }
}
