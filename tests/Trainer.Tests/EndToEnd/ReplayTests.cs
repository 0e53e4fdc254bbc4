using System.Text.Json;
using KvShiftScale.Core;
using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>A step computed again gives what the run recorded, and says where it comes from.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class ReplayTests(TrainingFixture fixture)
{
    private static readonly string[] Settings =
        ["run.steps=10", "run.deterministic=true", "run.validate_every=0", "run.checkpoint_every=4", "optimizer.decay=constant"];

    [Fact]
    public void PoisonedStepOfTwoRanksIsReproducedByOneProcess()
    {
        const string fault = "poison@batch:7,rank=1";
        using var faults = new InjectedEnvironment(fault);
        MpiRun.Execute(2, ProgramRun.KvShift, fixture.TrainArguments("replay-poison", Settings));
        var run = fixture.RunOf("replay-poison");
        var before = Directory.GetFiles(run.Path, "*", SearchOption.AllDirectories).ToDictionary(file => file, File.GetLastWriteTimeUtc);

        var (output, json) = Replay(run.Path, 7);

        Assert.Equal("Infinity", json.GetProperty("loss").GetString());
        Assert.Equal("non_finite_loss", json.GetProperty("decision").GetString());
        Assert.True(json.GetProperty("same_bits").GetBoolean(), output);
        Assert.True(json.GetProperty("reproduced").GetBoolean(), output);
        // Steps 5 and 6 from the checkpoint of step 4, then the first micro-batch of the second rank: rows 24 to 27 are the step's.
        Assert.Contains("losses of 2 steps before it: the bits that were logged", output, StringComparison.Ordinal);
        Assert.Equal(26, Assert.Single(json.GetProperty("rows").EnumerateArray()).GetInt64());
        Assert.Contains("row 26: loss Infinity", output, StringComparison.Ordinal);
        Assert.Contains($"{fixture.TrainingShard}, row group 0, document ", output, StringComparison.Ordinal);
        Assert.Contains("all finite; the largest is ", output, StringComparison.Ordinal);
        // The loss is where the poison is, so backward begins with it.
        Assert.Equal("lm_head.weight", json.GetProperty("first_non_finite_gradient").GetString());
        Assert.Equal(before, Directory.GetFiles(run.Path, "*", SearchOption.AllDirectories).ToDictionary(file => file, File.GetLastWriteTimeUtc));

        // A step after it, through the skip: an update with the bits of the two ranks.
        var (later, laterJson) = Replay(run.Path, 8);
        Assert.True(laterJson.GetProperty("same_bits").GetBoolean(), later);
        Assert.Equal("none", laterJson.GetProperty("decision").GetString());
        Assert.Contains("standard deviations from the other rows' mean", later, StringComparison.Ordinal);
    }

    [Fact]
    public void LearningRateThatBlowsUpIsReproducedFromTheCheckpointAndTheLayerNamed()
    {
        // The first update makes weights of 1e19, whose products leave float32 in the feed-forward layer of the first block; nothing is injected.
        using var train = ProgramRun.Execute(ExitCode.Failed, fixture.TrainArguments("replay-blow-up",
            [.. Settings, "optimizer.lr=1e19", "optimizer.warmup_steps=0", "run.checkpoint_every=1", "run.max_skips=2"]));
        var run = fixture.RunOf("replay-blow-up");

        var (output, json) = Replay(run.Path, 2);

        Assert.Contains("step 2 skipped: the loss is not finite", train.Error, StringComparison.Ordinal);
        Assert.Equal("NaN", json.GetProperty("loss").GetString());
        Assert.True(json.GetProperty("same_bits").GetBoolean(), output);
        Assert.True(json.GetProperty("reproduced").GetBoolean(), output);
        Assert.StartsWith("model.layers.0.", json.GetProperty("first_non_finite").GetString(), StringComparison.Ordinal);
        Assert.Equal(4, json.GetProperty("rows").GetArrayLength());
        Assert.Contains("from step-00000001, 1 steps computed", output, StringComparison.Ordinal);
        // The step before it was finite, from the initial weights.
        var (first, firstJson) = Replay(run.Path, 1);
        Assert.True(firstJson.GetProperty("same_bits").GetBoolean(), first);
        Assert.Contains("from the initial weights", first, StringComparison.Ordinal);
    }

    [Fact]
    public void OrdinaryStepIsReproducedFromAConfiguration()
    {
        var run = fixture.OneRank;

        using var replay = ProgramRun.Execute(ExitCode.Done, "replay", "--step", "10", fixture.ConfigPath, "--set", $"run.name={Path.GetFileName(run.Path)}");

        using var json = JsonDocument.Parse(replay.LastLine);
        // One rank sums in the same order without the deterministic mode, too.
        Assert.True(json.RootElement.GetProperty("same_bits").GetBoolean(), replay.Output);
        Assert.Equal(run.Records[9].Loss, json.RootElement.GetProperty("loss").GetDouble());
    }

    [Fact]
    public void StepThatTheRunDoesNotHaveIsRefused()
    {
        using var beyond = ProgramRun.Execute(ExitCode.Usage, "replay", "--step", "21", fixture.OneRank.Path);
        Assert.Contains("found --step 21; wanted 1 to run.steps = 20", beyond.Error, StringComparison.Ordinal);
        using var nowhere = ProgramRun.Execute(ExitCode.Usage, "replay", "--step", "2", fixture.PathOf("train"));
        Assert.Contains("found no config.yaml", nowhere.Error, StringComparison.Ordinal);
    }

    private static (string Output, JsonElement Json) Replay(string run, int step)
    {
        using var replay = ProgramRun.Execute(ExitCode.Done, "replay", "--step", $"{step}", run);
        using var json = JsonDocument.Parse(replay.LastLine);
        return (replay.Output, json.RootElement.Clone());
    }
}
