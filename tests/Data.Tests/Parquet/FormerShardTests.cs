using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using KvShiftScale.Data.Shards;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>
/// Shards of the writer that this project had before Parquet.Net: dictionaries, checksums of pages, pages that end at documents. Runs go on
/// with them, so they verify as they did. Written once, 900 documents of the formula in six codecs and three encodings.
/// </summary>
public sealed class FormerShardTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void TheyVerifyAsTheyDid()
    {
        using var archive = new GZipStream(
            File.OpenRead(Path.Combine(AppContext.BaseDirectory, "Parquet", "files", "former-shards.tar.gz")), CompressionMode.Decompress);
        TarFile.ExtractToDirectory(archive, _folder.File(""), overwriteFiles: true);
        var files = Directory.GetFiles(_folder.File(""), "*.parquet");
        Assert.Equal(18, files.Length);
        Assert.All(files, path =>
        {
            // Where a dictionary was to pay, ids come back.
            var isSmall = path.EndsWith("-Dictionary.parquet", StringComparison.Ordinal);
            int[][] documents = [.. DocumentFormula.Documents(900, mayBeNull: false).Select(ids => ids!.Select(id => isSmall ? id % 97 : id).ToArray())];
            var content = documents.SelectMany(ids => ids.Prepend(ids.Length)).SelectMany(BitConverter.GetBytes).ToArray();
            var expected = new ShardVerification(900, documents.Sum(ids => ids.Length), Convert.ToHexStringLower(SHA256.HashData(content)));

            Assert.Equal(expected, ShardVerification.Read(path));
            using var shard = TokenShard.Open(path);
            Assert.Equal(("former", 4096), (shard.TokenizerHash, shard.VocabularySize));
            Assert.Equal(expected.Tokens, Enumerable.Range(0, shard.RowGroupCount).Sum(group => shard.StatedCounts(group)!.Value.Tokens));
            RefusesFlippedBits(path);
        });
    }

    // Their pages have checksums, which the package holds them against.
    private static void RefusesFlippedBits(string path)
    {
        var content = File.ReadAllBytes(path);
        long start, length;
        using (var shard = TokenShard.Open(path))
        {
            (start, length) = (shard.Footer.Chunks[1].Start, shard.Footer.Chunks[1].StoredBytes);
        }

        content[start + length - 3] ^= 0x10;
        File.WriteAllBytes(path, content);
        using var damaged = TokenShard.Open(path);
        Assert.Contains("row group 1: ", Assert.Throws<InvalidDataException>(() => damaged.ReadRowGroup(1)).Message, StringComparison.Ordinal);
    }
}
