using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>Checkpoints that are written while training goes on.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class AsyncSaveTests(TrainingFixture fixture)
{
    [Fact]
    public void HoldsTheBitsOfItsStepThoughTrainingHasGoneOn()
    {
        // Each write lingers for a second, in which a step of this model takes some milliseconds.
        var output = Faulty("late", "linger@file.write:1", "run.checkpoint_every=10", "run.log_every=1");
        var run = fixture.RunOf("late");

        Assert.Equal(fixture.Train("at-once", "run.checkpoint_every=10", "run.async_save=false").Tensors(10), run.Tensors(10));
        Assert.Equal(fixture.OneRank.Tensors(20), run.Tensors(20));
        Assert.Contains("checkpoints are written beside training, from a copy of", output);
        Assert.Equal([11L], run.Records.Where(record => record.SaveSeconds > 0).Select(record => record.Step));
        // The loop is over before the save is: it ends with the last one, which waits for it.
        Assert.InRange(run.Records[10].SaveSeconds!.Value, 0, 0.9);
    }

    [Fact]
    public void OneAtATime()
    {
        var output = Faulty("one-at-a-time", "linger@file.write:1", "run.checkpoint_every=1", "run.keep_checkpoints=100");

        Assert.Contains("the save of step 2 has waited ", output);
        Assert.Equal(Enumerable.Range(1, 20).Select(step => TrainedRun.NameOf(step)),
            Directory.GetDirectories(fixture.RunOf("one-at-a-time").PathOf("checkpoints")).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal));
        Assert.Equal(fixture.OneRank.Tensors(8), fixture.RunOf("one-at-a-time").Tensors(8));
    }

    [Theory]
    [InlineData("none")]
    [InlineData("zero1")]
    public void FourRanksSaveWhatTheyWouldHaveSavedAtOnce(string sharding)
    {
        string[] settings = ["parallel.tensor=2", $"parallel.optimizer_sharding={sharding}", "run.steps=6", "run.checkpoint_every=2", "run.validate_every=0"];
        MpiRun.Execute(4, "kvshift.dll", fixture.TrainArguments($"beside-{sharding}", settings));
        MpiRun.Execute(4, "kvshift.dll", fixture.TrainArguments($"at-once-{sharding}", [.. settings, "run.async_save=false"]));

        foreach (var step in (long[])[2, 4, 6])
            Assert.Equal(fixture.RunOf($"at-once-{sharding}").Tensors(step), fixture.RunOf($"beside-{sharding}").Tensors(step));
    }

    private string Faulty(string name, string fault, params string[] settings)
    {
        using var process = ProgramRun.StartFile("env",
            [$"KVSHIFT_INJECT={fault}", "dotnet", ProgramRun.KvShift, .. fixture.TrainArguments(name, ["run.validate_every=0", .. settings])]);
        process.WaitFor(ExitCode.Done);
        return process.Output;
    }
}
