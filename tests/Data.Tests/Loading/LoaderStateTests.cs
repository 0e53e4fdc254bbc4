using System.Text.Json;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tests.Shards;

namespace KvShiftScale.Data.Tests.Loading;

public sealed class LoaderStateTests
{
    private static readonly LoaderState Saved = new(
        Seed: 1, Step: 40, Context: 128, GlobalBatch: 8, ShuffleRowGroups: 4,
        [
            new SourceFingerprint("a/*.parquet", 0.7, 2, 10, 500, "aaaaaaaaaaaaaaaa"),
            new SourceFingerprint("b/*.parquet", 0.3, 1, 5, 60, "bbbbbbbbbbbbbbbb"),
        ]);

    [Fact]
    public void StateOfARunningLoaderSurvivesJson()
    {
        using var folder = new ShardFolder();
        folder.Write("a.parquet", ShardFolder.Consecutive(0, 30));
        var config = new DataConfig { Context = 4, GlobalBatch = 2, MicroBatch = 1 };
        using var batches = new TrainingBatches(folder.Catalog(), config, seed: 9, vocabularySize: 30, DataShare.Whole, firstStep: 3);

        var state = batches.State(step: 5);
        var restored = JsonSerializer.Deserialize<LoaderState>(JsonSerializer.Serialize(state))!;

        Assert.Equal((9L, 5L, 4, 2), (restored.Seed, restored.Step, restored.Context, restored.GlobalBatch));
        Assert.Equal(30, restored.Sources[0].Tokens);
        Assert.Null(restored.DifferenceFrom(batches.State(step: 3)));
    }

    [Fact]
    public void MovedFilesAndAnotherStepAreNoDifference()
    {
        var moved = Saved.Sources[0] with { Glob = "/moved/*.parquet" };

        Assert.Null(Saved.DifferenceFrom(Saved with { Step = 0, Sources = [moved, Saved.Sources[1]] }));
    }

    [Fact]
    public void EveryDifferenceIsNamed()
    {
        Assert.Equal("run.seed was 1 and is 2", Saved.DifferenceFrom(Saved with { Seed = 2 }));
        Assert.Equal("data.context was 128 and is 64", Saved.DifferenceFrom(Saved with { Context = 64 }));
        Assert.Equal("data.global_batch was 8 and is 16", Saved.DifferenceFrom(Saved with { GlobalBatch = 16 }));
        Assert.Equal("data.shuffle_row_groups was 4 and is 1", Saved.DifferenceFrom(Saved with { ShuffleRowGroups = 1 }));
        Assert.Equal("data.document_mask was true and is false", Saved.DifferenceFrom(Saved with { DocumentMask = false }));
        Assert.Equal("data.row_order was sequential and is shuffled", Saved.DifferenceFrom(Saved with { RowOrder = RowOrder.Shuffled }));
        Assert.Equal("data.train had 2 sources and has 1", Saved.DifferenceFrom(Saved with { Sources = [Saved.Sources[0]] }));
        Assert.Equal(
            "data.train[1] (b/*.parquet): 1 files with 5 documents and 60 tokens then; 1 files with 5 documents and 61 tokens now",
            Saved.DifferenceFrom(Saved with { Sources = [Saved.Sources[0], Saved.Sources[1] with { Tokens = 61 }] }));
    }
}
