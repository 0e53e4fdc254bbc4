using System.Text.Json;
using KvShiftScale.Core;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

[Collection(nameof(EndToEndGroup))]
public sealed class CompareExperimentTests(TrainingFixture fixture)
{
    [Fact]
    public void BothArmsTrainOnTheSameDataAndAreCompared()
    {
        var folder = fixture.PathOf("compare");
        string[] arguments =
        [
            "experiment", "compare", "--config", fixture.ConfigPath, "--seeds", "1", "--steps", "10", "--ranks", "2", "--output", folder,
            "--set", "run.validate_every=5",
        ];
        using var run = ProgramRun.Execute(ExitCode.Done, arguments);

        // The fixture's configuration has seed 3.
        var vanilla = new TrainedRun(Path.Combine(folder, "none-seed-3"));
        var shifted = new TrainedRun(Path.Combine(folder, "kv-seed-3"));
        Assert.Equal([10L, 10], [vanilla.Last.Step, shifted.Last.Step]);
        Assert.Contains("kv_shift: none", File.ReadAllText(vanilla.PathOf("config.yaml")));
        Assert.Contains("kv_shift: kv", File.ReadAllText(shifted.PathOf("config.yaml")));
        // Same initial weights and same data, the product's own training: the shifted arm is the fixture's run, with which only the length
        // of the schedule differs, so that the losses before the first update agree.
        Assert.Equal(fixture.OneRank.Records[0].Loss, shifted.Records[0].Loss, 1e-5);
        Assert.NotEqual(vanilla.Last.Loss, shifted.Last.Loss);

        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "results.json")));
        var difference = json.RootElement.GetProperty("differences")[0];
        Assert.Equal(vanilla.Last.ValidationLoss!.Value - shifted.Last.ValidationLoss!.Value, difference.GetProperty("last").GetDouble());
        Assert.Equal([5, 10], difference.GetProperty("by_step").EnumerateArray().Select(at => at.GetProperty("step").GetInt32()));
        Assert.Matches("(?m)^(holds|does not hold): KV shift has the lower validation loss after 10 steps on every seed$", run.Output);
        Assert.Contains("<svg", File.ReadAllText(Path.Combine(folder, "report.html")));
        Assert.Contains("| KV shift | 3 |", File.ReadAllText(Path.Combine(folder, "results.md")));

        // Runs of other settings are not gone on with as if they were these.
        using var other = ProgramRun.Execute(ExitCode.Usage, [.. arguments, "--set", "optimizer.lr=1e-4"]);
        Assert.Contains("a run of other settings", other.Error);
    }

    [Fact]
    public void WithoutAConfigurationTheVocabularyIsTheDatas()
    {
        var folder = fixture.PathOf("compare-small");

        ProgramRun.Execute(ExitCode.Done, "experiment", "compare", "--data", fixture.TrainingShard, "--validation", fixture.ValidationShard,
            "--seeds", "1", "--steps", "1", "--ranks", "1", "--output", folder,
            "--set", "model.hidden_size=32", "--set", "data.context=16", "--set", "data.global_batch=4").Dispose();

        var config = File.ReadAllText(Path.Combine(folder, "kv-seed-1", "config.yaml"));
        Assert.Contains("vocab_size: 300", config);
        Assert.Contains("hidden_size: 32", config);
    }
}
