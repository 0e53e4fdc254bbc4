using KvShiftScale.Data.Shards;
namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>What three other programs write is read as they meant it.</summary>
public sealed class ForeignMatrixTests(ForeignMatrix matrix) : IClassFixture<ForeignMatrix>
{
    [Fact]
    public void VerificationGivesTheWritersOwnChecksumForEveryFile()
    {
        var wrong = new List<string>();
        foreach (var (name, expected) in matrix.Expected)
        {
            var found = ShardVerification.Read(matrix.PathOf(name));
            if (found != expected)
            {
                wrong.Add($"{name}: {found}, not {expected}");
            }
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void CountsAreThoseOfTheContent()
    {
        var wrong = new List<string>();
        foreach (var (name, expected) in matrix.Expected)
        {
            using var shard = TokenShard.Open(matrix.PathOf(name));
            var counts = Enumerable.Range(0, shard.RowGroupCount).Select(shard.Counts).ToArray();
            if ((counts.Sum(count => count.Documents), counts.Sum(count => count.Tokens)) != (expected.Rows, expected.Tokens))
            {
                wrong.Add(name);
            }
        }

        Assert.Empty(wrong);
    }

    // Counting by footer is what makes opening a large corpus cheap, so it must not fall back to reading unnoticed.
    [Theory]
    [InlineData("duckdb-v1-plain-integer-zstd")]
    [InlineData("duckdb-v2-dictionary-bigint-snappy")]
    [InlineData("arrow-v1-dictionary-integer-zstd")]
    [InlineData("arrow-v2-plain-bigint-gzip")]
    public void CountsOfDuckDbAndArrowNeedNoPage(string name)
    {
        var path = matrix.PathOf(name);
        var expected = matrix.Expected[name];
        var content = File.ReadAllBytes(path);
        var footer = content.Length - 8 - BitConverter.ToInt32(content, content.Length - 8);
        var copy = path + ".blank";
        content.AsSpan(4, footer - 4).Clear();
        File.WriteAllBytes(copy, content);

        using var shard = TokenShard.Open(copy);
        Assert.Equal(expected.Tokens, Enumerable.Range(0, shard.RowGroupCount).Sum(group => shard.Counts(group).Tokens));
        Assert.Throws<InvalidDataException>(() => shard.ReadRowGroup(0));
    }

    [Fact]
    public void EveryCombinationIsThere()
    {
        string[] codecs = ["uncompressed", "snappy", "gzip", "brotli", "zstd", "lz4_raw", "lz4"];
        string[] types = ["integer", "bigint", "usmallint"];
        foreach (var (codec, type, version) in codecs.SelectMany(c => types.SelectMany(t => new[] { (c, t, "v1"), (c, t, "v2") })))
        {
            Assert.All(["plain", "dictionary"], encoding => Assert.Contains($"duckdb-{version}-{encoding}-{type}-{codec}", matrix.Expected.Keys));
            Assert.All(["plain", "dictionary", "fallback", "delta", "split"],
                encoding => Assert.Contains($"arrow-{version}-{encoding}-{type}-{codec}", matrix.Expected.Keys));
        }

        Assert.All(["optional", "required", "requiredlist", "twolevel", "bare"],
            shape => Assert.Contains($"hyparquet-v2-{shape}-plain-integer-snappy", matrix.Expected.Keys));
        Assert.Contains("handmade-v1-pages-inside-documents", matrix.Expected.Keys);
    }
}
