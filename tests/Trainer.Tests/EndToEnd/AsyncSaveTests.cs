using System.Globalization;
using System.Text.RegularExpressions;
using KvShiftScale.Core;
using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>Checkpoints that are written while training goes on.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class AsyncSaveTests(TrainingFixture fixture)
{
    // The first write of all is that of the run's configuration.
    private const string SlowPiece = "linger@file.write:2";

    [Fact]
    public void HoldsTheBitsOfItsStepThoughTrainingHasGoneOn()
    {
        // Three seconds in the one piece of the rank's file, in which ten steps of this model take some hundredths of one.
        var output = Faulty("late", string.Join(';', Enumerable.Repeat(SlowPiece, 3)), "run.checkpoint_every=10", "run.log_every=1");
        var run = fixture.RunOf("late");

        Assert.Equal(fixture.Train("at-once", "run.checkpoint_every=10", "run.async_save=false").Tensors(10), run.Tensors(10));
        Assert.Equal(fixture.OneRank.Tensors(20), run.Tensors(20));
        Assert.Contains("checkpoints are written beside training, from a copy of", output);
        Assert.Equal([11L], run.Records.Where(record => record.SaveSeconds > 0).Select(record => record.Step));
        // The loop is over before the save is: it ends with the last one, which waits for it.
        Assert.Equal(20, run.Last.Step);
        var (logged, complete) = (File.GetLastWriteTimeUtc(run.PathOf("metrics.jsonl")), ManifestTime(run, 10));
        Assert.True(logged < complete, $"all steps were logged at {logged:O}, the checkpoint of step 10 was complete at {complete:O}");
        // And the measure measures: a save that training stands still for is complete before the next step is logged.
        Assert.True(ManifestTime(fixture.RunOf("at-once"), 10) < File.GetLastWriteTimeUtc(fixture.RunOf("at-once").PathOf("metrics.jsonl")));
    }

    [Fact]
    public void OneAtATime()
    {
        var output = Faulty("one-at-a-time", SlowPiece, "run.checkpoint_every=1", "run.keep_checkpoints=100");

        // The first save lingers for a second, of which the second step takes some milliseconds.
        var waited = Assert.Single(Regex.Matches(output, @"the save of step 2 has waited (\d+\.\d) s for that of step 1$", RegexOptions.Multiline));
        Assert.InRange(double.Parse(waited.Groups[1].Value, CultureInfo.InvariantCulture), 0.3, double.MaxValue);
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
        MpiRun.Execute(4, ProgramRun.KvShift, fixture.TrainArguments($"beside-{sharding}", settings));
        MpiRun.Execute(4, ProgramRun.KvShift, fixture.TrainArguments($"at-once-{sharding}", [.. settings, "run.async_save=false"]));

        foreach (var step in (long[])[2, 4, 6])
        {
            Assert.Equal(fixture.RunOf($"at-once-{sharding}").Tensors(step), fixture.RunOf($"beside-{sharding}").Tensors(step));
        }
    }

    // Written last, and not again.
    private static DateTime ManifestTime(TrainedRun run, long step) => File.GetLastWriteTimeUtc(Path.Combine(run.Checkpoint(step), "manifest.json"));

    private string Faulty(string name, string fault, params string[] settings)
    {
        using var process = ProgramRun.StartFile("env",
            [$"KVSHIFT_INJECT={fault}", "dotnet", ProgramRun.KvShift, .. fixture.TrainArguments(name, ["run.validate_every=0", .. settings])]);
        process.WaitFor(ExitCode.Done);
        return process.Output;
    }
}
