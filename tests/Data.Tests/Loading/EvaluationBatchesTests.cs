using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Tests.Shards;

namespace KvShiftScale.Data.Tests.Loading;

public sealed class EvaluationBatchesTests : IDisposable
{
    private const int Vocabulary = 100_000;
    private const int X = TokenBatch.IgnoredTarget;

    private readonly ShardFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void DocumentsAreCutIntoWindowsThatStandAlone()
    {
        // Documents 0-4, 100, none, 300-306 and 400-402.
        _folder.Write("a.parquet", ShardFolder.Numbered(5, 1, 0, 7, 3));

        var batches = new EvaluationBatches(_folder.Catalog(), context: 4, batchRows: 2, Vocabulary, DataShare.Whole).ToArray();

        // 300-306 has a window of 4 inputs and one of 2, beside which the 2 inputs of the last document have room.
        Assert.Equal([2, 1], batches.Select(batch => batch.Rows));
        Assert.Equal([0, 1, 2, 3, 300, 301, 302, 303], batches[0].Inputs);
        Assert.Equal([1, 2, 3, 4, 301, 302, 303, 304], batches[0].Targets);
        Assert.Equal([0, 1, 2, 3, 0, 1, 2, 3], batches[0].Positions);
        Assert.Equal([304, 305, 400, 401], batches[1].Inputs);
        Assert.Equal([305, 306, 401, 402], batches[1].Targets);
        Assert.Equal([0, 1, 0, 1], batches[1].Positions);
        Assert.Equal([8L, 4L], batches.Select(batch => batch.ValidTargets));
    }

    [Fact]
    public void RestOfARowIsPadded()
    {
        _folder.Write("a.parquet", ShardFolder.Numbered(3, 4));

        using var batch = Assert.Single(new EvaluationBatches(_folder.Catalog(), 4, 8, Vocabulary, DataShare.Whole));

        // The window of 3 inputs does not fit beside the one of 2.
        Assert.Equal([0, 1, 0, 0, 100, 101, 102, 0], batch.Inputs);
        Assert.Equal([1, 2, X, X, 101, 102, 103, X], batch.Targets);
        Assert.Equal([0, 1, 0, 1, 0, 1, 2, 0], batch.Positions);
        Assert.Equal(5, batch.ValidTargets);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 3)]
    [InlineData(5, 2)]
    [InlineData(64, 4)]
    public void EachDocumentHasOneTargetLessThanTokens(int context, int batchRows)
    {
        int[] lengths = [9, 0, 1, 2, 33, 5, 17, 4];
        _folder.Write("a.parquet", ShardFolder.Numbered(lengths), rowGroupTokens: 11);

        var pairs = Pairs(new EvaluationBatches(_folder.Catalog(), context, batchRows, Vocabulary, DataShare.Whole));

        // 8 + 0 + 0 + 1 + 32 + 4 + 16 + 3 targets, in reading order; window starts are every context tokens of a document.
        var expected = lengths.SelectMany((length, document) => Enumerable.Range(0, Math.Max(length - 1, 0))
            .Select(token => (100 * document + token, 100 * document + token + 1, token % context)));
        Assert.Equal(64, pairs.Length);
        Assert.Equal(expected, pairs);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(50)]
    public void SharesTogetherAreEverything(int shares)
    {
        _folder.Write("a.parquet", ShardFolder.Numbered(9, 0, 1, 2, 33, 5, 17, 4));
        var catalog = _folder.Catalog();
        var whole = Pairs(new EvaluationBatches(catalog, 6, 4, Vocabulary, DataShare.Whole));

        var parts = Enumerable.Range(0, shares)
            .SelectMany(index => Pairs(new EvaluationBatches(catalog, 6, 4, Vocabulary, new DataShare(index, shares))));

        Assert.Equal(whole.Order(), parts.Order());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void LimitCountsRowsOfAllShares(int shares)
    {
        _folder.Write("a.parquet", ShardFolder.Consecutive(0, 41));
        var catalog = _folder.Catalog();

        var pairs = Enumerable.Range(0, shares)
            .SelectMany(index => Pairs(new EvaluationBatches(catalog, 4, 2, Vocabulary, new DataShare(index, shares), rowLimit: 3)));

        // Three rows of four targets.
        Assert.Equal(Enumerable.Range(1, 12), pairs.Select(pair => pair.Target).Order());
    }

    [Fact]
    public void IdOutsideTheVocabularyIsRefused()
    {
        var path = _folder.Write("a.parquet", [[1, 2, 9]]);
        var batches = new EvaluationBatches(_folder.Catalog(), 4, 2, vocabularySize: 9, DataShare.Whole);

        var error = Assert.Throws<InvalidDataException>(() => batches.Count());

        Assert.StartsWith($"{path}: row group 0: document 0: token 2 is 9", error.Message, StringComparison.Ordinal);
    }

    private static (int Input, int Target, int Position)[] Pairs(EvaluationBatches batches)
    {
        var pairs = new List<(int, int, int)>();
        foreach (var batch in batches)
        {
            var before = pairs.Count;
            for (var i = 0; i < batch.Inputs.Length; i++)
            {
                if (batch.Targets[i] != X)
                {
                    pairs.Add((batch.Inputs[i], batch.Targets[i], batch.Positions[i]));
                }
            }

            Assert.Equal(batch.ValidTargets, pairs.Count - before);
            batch.Dispose();
        }

        return [.. pairs];
    }
}
