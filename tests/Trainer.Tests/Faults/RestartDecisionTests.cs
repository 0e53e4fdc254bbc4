using KvShiftScale.Testing;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Launch;

namespace KvShiftScale.Trainer.Tests.Faults;

public sealed class RestartDecisionTests
{
    [Theory]
    [InlineData(8, 1, 1, 8)]
    [InlineData(7, 1, 1, 4)] // 16 rows of 2 are 8 micro-batches; 7, 6 and 5 ranks do not divide them
    [InlineData(3, 2, 1, 2)]
    [InlineData(7, 2, 1, 4)]
    [InlineData(1, 2, 1, null)]
    [InlineData(7, 2, 2, 4)]
    public void The_largest_layout_that_fits_keeps_tensor_and_context_degree(int left, int tensor, int context, int? wanted)
        => Assert.Equal(wanted, RestartDecision.FittingRanks(Config(tensor, context), left));

    [Theory]
    [InlineData(20, 15, 20, 15, false)]
    [InlineData(20, 15, 18, 15, false)]
    [InlineData(20, 15, 21, 15, true)]
    [InlineData(20, 15, 17, 16, true)]
    [InlineData(0, null, 0, null, false)]
    public void Goes_on_only_while_a_step_or_a_checkpoint_was_gained(int stepBefore, int? checkpointBefore, int step, int? checkpoint, bool goesOn)
    {
        var decided = RestartDecision.Make(Crash(2, step, checkpoint), Crash(1, stepBefore, checkpointBefore), 5, Config(1, 1), null);

        Assert.Equal(goesOn ? 4 : null, decided.NextRanks);
        Assert.Equal(goesOn, decided.Reason is null);
    }

    [Fact]
    public void Restarts_are_counted()
    {
        Assert.Equal(4, RestartDecision.Make(Crash(3, 30, 30), Crash(2, 20, 20), 3, Config(1, 1), null).NextRanks);
        Assert.Contains("allows no more", RestartDecision.Make(Crash(4, 30, 30), Crash(3, 20, 20), 3, Config(1, 1), null).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void The_crash_before_is_that_of_the_same_launch()
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("restarts.jsonl");
        Assert.Null(CrashRecord.LastOf(path, "a"));
        Crash(1, 7, 6).AppendTo(path);
        Assert.Equal(7, CrashRecord.LastOf(path, "a")!.Step);
        Assert.Null(CrashRecord.LastOf(path, "b"));
    }

    [Fact]
    public void Pauses_grow_to_a_minute()
        => Assert.Equal([1, 2, 4, 8, 16, 32, 60, 60], Enumerable.Range(1, 8).Select(RestartDecision.PauseSeconds));

    private static CrashRecord Crash(int number, long step, long? checkpoint) => new(DateTimeOffset.UnixEpoch, "a", number, 137, step, checkpoint, 4);

    private static RunConfig Config(int tensor, int context) => RunConfigReader.Parse(
        $$"""
        run: { name: r, steps: 10 }
        model: { vocab_size: 300, hidden_size: 64, layers: 2, heads: 8, kv_heads: 4, ffn_size: 64 }
        data: { train: ["x/*.parquet"], context: 48, global_batch: 16, micro_batch: 2 }
        parallel: { tensor: {{tensor}}, context: {{context}} }
        """, "test.yaml", []);
}
