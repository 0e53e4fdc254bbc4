using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Files;
using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tests.Shards;

namespace KvShiftScale.Data.Tests.Loading;

/// <summary>Documents that rows are said to come from are those whose tokens training was given.</summary>
public sealed class RowOriginsTests : IDisposable
{
    private readonly ShardFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(Packing.Concatenate, RowOrder.Shuffled)]
    [InlineData(Packing.Concatenate, RowOrder.Sequential)]
    [InlineData(Packing.Pad, RowOrder.Shuffled)]
    [InlineData(Packing.Pad, RowOrder.Sequential)]
    public void TokensOfTheOriginsAreThoseOfTheRows(Packing packing, RowOrder order)
    {
        int[] lengths = [3, 1, 20, 0, 7, 2, 2, 15, 1, 30, 11, 4];
        _folder.Write("a.parquet", ShardFolder.Numbered(lengths), rowGroupTokens: 25);
        var config = new DataConfig { Context = 8, GlobalBatch = 4, MicroBatch = 4, Packing = packing, RowOrder = order, ShuffleRowGroups = 2 };
        var counting = new CountingOptions { PaddedContext = packing == Packing.Pad ? config.Context : null };
        var catalog = ShardCatalog.Open([new DataSource(_folder.Glob)], counting);
        using var batches = new TrainingBatches(catalog, config, 7, 100_000, DataShare.Whole);
        var groups = catalog.Sources[0].Shards[0].RowGroups;
        Assert.True(groups.Count > 3);

        // Three epochs and more.
        for (var step = 0; step < 12; step++)
        {
            using var batch = batches.Next();
            Assert.Equal(4 * step, batch.FirstRow);
            foreach (var origin in RowOrigins.Find(catalog, config, 7, 100_000, [batch.FirstRow, batch.FirstRow + 3], new ReadAccess()))
            {
                var at = (int)(origin.Row - batch.FirstRow) * 8;
                var found = origin.Documents.SelectMany(document =>
                {
                    // Id 100 d + k is token k of document d of the file.
                    var number = groups.Take(document.RowGroup).Sum(group => group.Documents) + document.Document;
                    return Enumerable.Range(document.FirstToken, document.Tokens).Select(token => 100 * number + token);
                }).ToArray();

                Assert.Equal(batch.Inputs[at..(at + found.Length - 1)], found[..^1]);
                Assert.True(packing == Packing.Pad || found.Length == 9);
                Assert.All(origin.Documents, document => Assert.EndsWith("a.parquet", document.File, StringComparison.Ordinal));
            }
        }
    }
}
