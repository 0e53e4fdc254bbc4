using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tests.Shards;

namespace KvShiftScale.Data.Tests.Loading;

/// <summary>Measures the whole process, so that nothing else may run meanwhile.</summary>
[CollectionDefinition(nameof(SteadyStateTests), DisableParallelization = true)]
[Collection(nameof(SteadyStateTests))]
public sealed class SteadyStateTests : IDisposable
{
    private const int Vocabulary = 1 << 20;

    private readonly ShardFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(Packing.Concatenate, RowOrder.Shuffled)]
    [InlineData(Packing.Concatenate, RowOrder.Sequential)]
    [InlineData(Packing.Pad, RowOrder.Shuffled)]
    public void NoThreadAllocatesPerBatch(Packing packing, RowOrder order)
    {
        const int Batches = 4000;
        // One window of 160,000 tokens in documents of 50: 10,000 rows of 16 concatenated, 12,800 padded, of which 4,400 * 2 are read.
        _folder.Write("a.parquet", ShardFolder.Consecutive(0, [.. Enumerable.Repeat(50, 3200)]), options: ShardFolder.Options(Vocabulary));
        var config = new DataConfig { Packing = packing, RowOrder = order, Context = 16, GlobalBatch = 2, MicroBatch = 2, PrefetchBatches = 8 };
        var catalog = ShardCatalog.Open([new DataSource(_folder.Glob)], new CountingOptions { PaddedContext = 16 });
        // The smallest object has 24 bytes. The test host may write a line or two meanwhile, hence not zero; and more at times, hence three rounds.
        var least = long.MaxValue;
        for (var round = 1; round <= 3 && least >= Batches * 8; round++)
        {
            least = Math.Min(least, Allocated(pause: TimeSpan.FromSeconds(0.3 * round * round)));
        }

        Assert.True(least < Batches * 8, $"{least} bytes for {Batches} batches");

        long Allocated(TimeSpan pause)
        {
            using var batches = new TrainingBatches(catalog, config, seed: 1, Vocabulary, DataShare.Whole);
            Take(batches, 400);
            // The next window is being decoded in the background; then there is nothing left but batches.
            Thread.Sleep(pause);

            var before = GC.GetTotalAllocatedBytes(precise: true);
            Take(batches, Batches);
            var allocated = GC.GetTotalAllocatedBytes(precise: true) - before;

            // Those in the queue, one being made, one in use.
            Assert.InRange(batches.BatchesMade, 1, 8 + 2);
            return allocated;
        }
    }

    [Fact]
    public void BuffersArePinned()
    {
        _folder.Write("a.parquet", ShardFolder.Consecutive(0, 5000), options: ShardFolder.Options(Vocabulary));
        using var batches = new TrainingBatches(
            _folder.Catalog(), new DataConfig { Context = 16, GlobalBatch = 2, MicroBatch = 2 }, seed: 1, Vocabulary, DataShare.Whole);
        using var batch = batches.Next();

        // Pinned arrays live in a heap of their own, which the collector reports as the highest generation and never moves.
        foreach (var buffer in (int[][])[batch.Inputs, batch.Targets, batch.Positions])
        {
            var address = AddressOf(buffer);
            GC.Collect(2, GCCollectionMode.Forced, blocking: true, compacting: true);
            Assert.Equal(GC.MaxGeneration, GC.GetGeneration(buffer));
            Assert.Equal(address, AddressOf(buffer));
        }
    }

    private static unsafe nint AddressOf(int[] buffer)
    {
        fixed (int* address = buffer)
        {
            return (nint)address;
        }
    }

    private static void Take(TrainingBatches batches, int count)
    {
        for (var i = 0; i < count; i++)
        {
            batches.Next().Dispose();
        }
    }
}
