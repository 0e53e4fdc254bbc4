using KvShiftScale.Data.Text;

namespace KvShiftScale.Data.Tests.Shards;

public sealed class TokenizationPipelineTests : IDisposable
{
    private const int EndOfText = 127;

    private readonly ShardFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void DocumentsKeepTheirOrderOnAnyNumberOfWorkers(int workers)
    {
        // 30 documents of 50,000 characters make about 5 portions; the first letters number the documents.
        var documents = Enumerable.Range(0, 30)
            .Select(index => new TextDocument("memory", index, new string((char)('A' + index), 50_000)));
        var reports = new List<TokenizationProgress>();

        var total = Run(documents, new TokenizationOptions { Workers = workers }, reports.Add);

        Assert.Equal(new TokenizationProgress(30, 1_500_000, 1_500_030), total);
        Assert.Equal(total, reports[^1]);
        Assert.True(reports.Count > 1);
        using var shard = TokenShard.Open(_folder.PathOf("text-00000.parquet"));
        var expected = 0;
        for (var index = 0; index < shard.RowGroupCount; index++)
        {
            var group = shard.ReadRowGroup(index);
            for (var document = 0; document < group.DocumentCount; document++)
            {
                var ids = group.Document(document);
                Assert.Equal(50_001, ids.Length);
                Assert.Equal('A' + expected++, ids[0]);
                Assert.Equal(ids[0], ids[^2]);
                Assert.Equal(EndOfText, ids[^1]);
            }
        }

        Assert.Equal(30, expected);
    }

    [Fact]
    public void EndOfTextIsLeftOutOnRequest()
    {
        TextDocument[] documents = [new("memory", 0, "AB"), new("memory", 1, ""), new("memory", 2, "C")];

        Run(documents, new TokenizationOptions { AppendEndOfText = false });

        using var shard = TokenShard.Open(_folder.PathOf("text-00000.parquet"));
        Assert.Equal([65, 66, 67], shard.ReadRowGroup(0).Ids.ToArray());
        Assert.Equal([0, 2, 2, 3], shard.ReadRowGroup(0).Offsets.ToArray());
    }

    [Fact]
    public void FailureOfATokenizerReachesTheCaller()
    {
        var pipeline = new TokenizationPipeline(
            (_, _) => throw new InvalidDataException("no such character"), EndOfText, new TokenizationOptions { Workers = 2 });
        using var writer = Writer();

        var error = Assert.Throws<InvalidDataException>(() => pipeline.Run([new TextDocument("memory", 0, "A")], writer));

        Assert.Equal("no such character", error.Message);
    }

    [Fact]
    public void WorkStopsWhenItIsCancelled()
    {
        using var cancellation = new CancellationTokenSource();
        var endless = Enumerable.Range(0, int.MaxValue).Select(index => new TextDocument("memory", index, new string('A', 100_000)));
        var pipeline = new TokenizationPipeline(Encode, EndOfText, new TokenizationOptions { Workers = 2 });
        using var writer = Writer();

        Assert.ThrowsAny<OperationCanceledException>(
            () => pipeline.Run(endless, writer, _ => cancellation.Cancel(), cancellation.Token));
    }

    private static void Encode(string text, List<int> ids)
    {
        foreach (var character in text)
        {
            ids.Add(character);
        }
    }

    private ShardFolderWriter Writer() => new(_folder.Folder, "text", 1 << 30, ShardFolder.Options(vocabularySize: 128));

    private TokenizationProgress Run(
        IEnumerable<TextDocument> documents, TokenizationOptions options, Action<TokenizationProgress>? report = null)
    {
        using var writer = Writer();
        var total = new TokenizationPipeline(Encode, EndOfText, options).Run(documents, writer, report);
        writer.Complete();
        return total;
    }
}
