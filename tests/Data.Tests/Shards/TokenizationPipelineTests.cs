using System.Text;
using KvShiftScale.Data.Preparation;
using KvShiftScale.Data.Shards;
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
            .Select(index => Document(index, new string((char)('A' + index), 50_000)));
        var reports = new List<TokenizationProgress>();

        var total = Run(documents, new PreparationOptions { Workers = workers }, reports.Add);

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
        RawDocument[] documents = [Document(0, "AB"), Document(1, ""), Document(2, "C")];

        Run(documents, new PreparationOptions { AppendEndOfText = false });

        using var shard = TokenShard.Open(_folder.PathOf("text-00000.parquet"));
        Assert.Equal([65, 66, 67], shard.ReadRowGroup(0).Ids.ToArray());
        Assert.Equal([0, 2, 2, 3], shard.ReadRowGroup(0).Offsets.ToArray());
    }

    [Fact]
    public void FailureOfATokenizerReachesTheCaller()
    {
        var pipeline = new TokenizationPipeline(
            (_, _) => throw new InvalidDataException("no such character"), EndOfText, new PreparationOptions { Workers = 2 });
        using var outputs = new PreparationOutputs(Writer());

        var error = Assert.Throws<InvalidDataException>(() => pipeline.Run([Document(0, "A")], outputs));

        Assert.Equal("no such character", error.Message);
    }

    [Fact]
    public void WorkStopsWhenItIsCancelled()
    {
        using var cancellation = new CancellationTokenSource();
        var endless = Enumerable.Range(0, int.MaxValue).Select(index => Document(index, new string('A', 100_000)));
        var pipeline = new TokenizationPipeline(Encode, EndOfText, new PreparationOptions { Workers = 2 });
        using var outputs = new PreparationOutputs(Writer());

        Assert.ThrowsAny<OperationCanceledException>(
            () => pipeline.Run(endless, outputs, report: _ => cancellation.Cancel(), cancellation: cancellation.Token));
    }

    [Fact]
    public void ADocumentThatFillsAShardIsToldWithTheSumsUpToIt()
    {
        var told = new List<(long Document, TokenizationProgress Progress)>();
        using var outputs = new PreparationOutputs(
            new ShardFolderWriter(_folder.Folder, "text", 5, ShardFolder.Options(vocabularySize: 128)), new TokenizationProgress(10, 100, 1000));

        new TokenizationPipeline(Encode, EndOfText, new PreparationOptions { Workers = 2 }).Run(
            [Document(0, "AB"), Document(1, "C"), Document(2, ""), Document(3, "DEFG")], outputs,
            shardIsComplete: document => told.Add((document.Index, outputs.Total)));

        // 3 and 2 ids fill the first shard; 1 and 5 the second.
        Assert.Equal([(1L, new TokenizationProgress(12, 103, 1005)), (3L, new TokenizationProgress(14, 107, 1011))], told);
    }

    private static void Encode(ReadOnlySpan<byte> text, List<int> ids)
    {
        foreach (var character in text)
        {
            ids.Add(character);
        }
    }

    private static RawDocument Document(long index, string text) => new("memory", index, Encoding.UTF8.GetBytes(text));

    private ShardFolderWriter Writer() => new(_folder.Folder, "text", 1 << 30, ShardFolder.Options(vocabularySize: 128));

    private TokenizationProgress Run(
        IEnumerable<RawDocument> documents, PreparationOptions options, Action<TokenizationProgress>? report = null)
    {
        using var writer = Writer();
        using var outputs = new PreparationOutputs(writer);
        new TokenizationPipeline(Encode, EndOfText, options).Run(documents, outputs, report: report);
        writer.Complete();
        return outputs.Total;
    }
}
