using KvShiftScale.Data.Shards;
namespace KvShiftScale.Data.Tests.Shards;

public sealed class ShardFolderWriterTests : IDisposable
{
    private readonly ShardFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void DocumentsAreSpreadOverShardsOfTheTargetSize()
    {
        var manifest = Write(ShardFolder.Consecutive(0, 4, 4, 4, 4, 4), shardTokens: 7);

        // A shard is full once it has 7 tokens: after its second document of 4.
        Assert.Equal(["train-00000.parquet", "train-00001.parquet", "train-00002.parquet"], manifest.Files.Select(file => file.Name));
        Assert.Equal([8L, 8L, 4L], manifest.Files.Select(file => file.Tokens));
        Assert.Equal([2L, 2L, 1L], manifest.Files.Select(file => file.Rows));
        Assert.Equal(20, manifest.Tokens);
        var names = Directory.GetFiles(_folder.Folder).Select(Path.GetFileName).Order(StringComparer.Ordinal);
        Assert.Equal(["manifest.json", "train-00000.parquet", "train-00001.parquet", "train-00002.parquet"], names);

        using var second = TokenShard.Open(_folder.PathOf("train-00001.parquet"));
        Assert.Equal([8, 9, 10, 11, 12, 13, 14, 15], second.ReadRowGroup(0).Ids.ToArray());
    }

    [Fact]
    public void ManifestComesBack()
    {
        Write(ShardFolder.Consecutive(0, 4, 0, 4), shardTokens: 100);

        var manifest = ShardManifest.Read(_folder.Folder);

        Assert.Equal(ShardFolder.Tokenizer, manifest.Tokenizer);
        Assert.Equal(100_000, manifest.VocabularySize);
        var byteCount = new FileInfo(_folder.PathOf("train-00000.parquet")).Length;
        var lengths = new DocumentLengths(3, Empty: 1, Shortest: 0, Longest: 4, 8.0 / 3);
        var expected = new ShardManifest.Entry("train-00000.parquet", 3, 8, byteCount)
        {
            Sha256 = ShardVerification.Read(_folder.Folder).Sha256,
            Lengths = lengths,
        };
        Assert.Equal([expected], manifest.Files);
        Assert.Equal(lengths, manifest.Lengths);
        Assert.Null(manifest.Preparation);
        Assert.Contains("\"vocabulary_size\": 100000", File.ReadAllText(_folder.PathOf("manifest.json")), StringComparison.Ordinal);
    }

    [Fact]
    public void FinishedFolderIsRefused()
    {
        Write([[1]], shardTokens: 10);

        var error = Assert.Throws<IOException>(() => Write([[2]], shardTokens: 10));

        Assert.Contains(_folder.Folder, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void LeftoversOfAnInterruptedWriterDisappear()
    {
        using (var interrupted = new ShardFolderWriter(_folder.Folder, "train", 1, ShardFolder.Options()))
        {
            interrupted.Append([1]);
            interrupted.Append([2]);
            interrupted.Append([3]);
        }

        var manifest = Write([[4]], shardTokens: 10);

        Assert.Single(manifest.Files);
        Assert.Equal([_folder.PathOf("train-00000.parquet")], Directory.GetFiles(_folder.Folder, "*.parquet"));
        Assert.Equal(1, ShardVerification.Read(_folder.Folder).Tokens);
    }

    private ShardManifest Write(int[][] documents, long shardTokens)
    {
        using var writer = new ShardFolderWriter(_folder.Folder, "train", shardTokens, ShardFolder.Options());
        foreach (var document in documents)
        {
            writer.Append(document);
        }

        return writer.Complete();
    }
}
