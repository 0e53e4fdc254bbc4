using System.Text.Json;
using KvShiftScale.Core;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>
/// A run that was begun before there was <c>data.row_order</c> goes on, and is computed again, with the batches that it would have had.
/// <c>files/earlier-run</c> is one of 16 steps, of which the program of commit 0a2f5b2 saved step 8, with its configuration and its shards;
/// in double precision, so that a loss tells its batch.
/// </summary>
[Collection(nameof(EndToEndGroup))]
public sealed class EarlierOrderTests(TrainingFixture fixture)
{
    private const double Rounding = 1e-9;

    private static readonly TrainedRun Earlier = new(Path.Combine(AppContext.BaseDirectory, "EndToEnd", "files", "earlier-run"));

    [Fact]
    public void TheCheckpointGoesOnInItsOrderAndSaysSo()
    {
        var run = Earlier.CopyTo(fixture.RunOf("earlier").Path);
        Assert.DoesNotContain("row_order", File.ReadAllText(run.PathOf("config.yaml")), StringComparison.Ordinal);
        Assert.DoesNotContain("row_order", File.ReadAllText(Path.Combine(run.Checkpoint(8), "state.json")), StringComparison.Ordinal);

        using var train = ProgramRun.Execute(ExitCode.Done, Train(run));

        Assert.Contains("going on from the checkpoint of step 8", train.Output, StringComparison.Ordinal);
        Assert.Contains("data.row_order: sequential; a new run mixes them", train.Output, StringComparison.Ordinal);
        run.AssertSameCurve(Earlier, Rounding);
        Assert.Contains("row_order: sequential", File.ReadAllText(run.PathOf("config.yaml")), StringComparison.Ordinal);
        Assert.Equal("Sequential", OrderOf(run.Checkpoint(16)));

        // What it has now been written with is no other wish, and the end of the run is the same.
        using var again = ProgramRun.Execute(ExitCode.Done, Train(run, "run.steps=17"));
        Assert.Contains("data.row_order: sequential; a new run mixes them", again.Output, StringComparison.Ordinal);
        Assert.Equal("Sequential", OrderOf(run.Checkpoint(17)));
    }

    [Fact]
    public void AnotherOrderIsRefusedAndItsOwnIsTaken()
    {
        var run = Earlier.CopyTo(fixture.RunOf("earlier-other").Path);

        using var refused = ProgramRun.Execute(ExitCode.Usage, Train(run, "data.row_order=shuffled"));
        using var unknown = ProgramRun.Execute(ExitCode.Usage, Train(run, "data.row_order=mixed"));
        using var taken = ProgramRun.Execute(ExitCode.Done, Train(run, "data.row_order=sequential"));

        Assert.Contains("data.row_order was sequential and is shuffled", refused.Error, StringComparison.Ordinal);
        Assert.Contains("must be one of: sequential, shuffled", unknown.Error, StringComparison.Ordinal);
        // Who asks for it need not be told.
        Assert.DoesNotContain("a new run mixes them", taken.Output, StringComparison.Ordinal);
        run.AssertSameCurve(Earlier, Rounding);
    }

    [Fact]
    public void ANewRunOfTheSameConfigurationIsMixedAndStaysSo()
    {
        var run = fixture.RunOf("earlier-new");

        // A rate that more steps leave as it is.
        const string Rate = "optimizer.decay=constant";

        using var train = ProgramRun.Execute(ExitCode.Done, Train(run, Rate, "run.steps=4", "run.checkpoint_every=2"));
        using var more = ProgramRun.Execute(ExitCode.Done, Train(run, Rate, "run.steps=6", "run.checkpoint_every=2", "data.row_order=shuffled"));
        using var other = ProgramRun.Execute(ExitCode.Usage, Train(run, Rate, "run.steps=8", "data.row_order=sequential"));

        Assert.DoesNotContain("row_order", train.Output, StringComparison.Ordinal);
        Assert.Contains("going on from the checkpoint of step 4", more.Output, StringComparison.Ordinal);
        Assert.Contains("data.row_order was shuffled and is sequential", other.Error, StringComparison.Ordinal);
        Assert.Contains("row_order: shuffled", File.ReadAllText(run.PathOf("config.yaml")), StringComparison.Ordinal);
        Assert.Equal("Shuffled", OrderOf(run.Checkpoint(6)));
        // Same weights, other rows.
        Assert.True(Math.Abs(run.Records[0].Loss - Earlier.Records[0].Loss) > 1e-6);
    }

    [Theory]
    [InlineData(3, "the initial weights")]
    [InlineData(12, "step-00000008")]
    public void AStepIsComputedAgainInTheOrderThatItHad(int step, string from)
    {
        var run = Earlier.CopyTo(fixture.RunOf($"earlier-replay-{step}").Path);

        // By its folder, whose configuration does not have the key, and by the configuration that it was begun with.
        using var byFolder = ProgramRun.Execute(ExitCode.Done, ["replay", run.Path, "--step", $"{step}", "--set", Data(run)]);
        using var byConfiguration = ProgramRun.Execute(ExitCode.Done, ["replay", "--step", $"{step}", .. Train(run)[1..]]);

        foreach (var replay in (ProgramRun[])[byFolder, byConfiguration])
        {
            Assert.Contains($"step {step} again, from {from}", replay.Output, StringComparison.Ordinal);
            using var json = JsonDocument.Parse(replay.LastLine);
            Assert.Equal(run.Records[step - 1].Loss, json.RootElement.GetProperty("loss").GetDouble(), Rounding);
        }
    }

    [Fact]
    public void RunsOfAComparisonThatIsThereGoOnInTheirOrderAndAllOthersOfItTakeThatToo()
    {
        var folder = fixture.PathOf("compare-earlier");
        string[] arguments =
        [
            "experiment", "compare", "--config", fixture.ConfigPath, "--seeds", "1", "--steps", "2", "--ranks", "1", "--output", folder,
            "--set", "run.validate_every=2",
        ];
        ProgramRun.Execute(ExitCode.Done, [.. arguments, "--set", "data.row_order=sequential"]).Dispose();
        var (vanilla, shifted) = (new TrainedRun(Path.Combine(folder, "none-seed-3")), new TrainedRun(Path.Combine(folder, "kv-seed-3")));
        // As an earlier version left it: without the key, and with one of its runs still to be made.
        var configuration = vanilla.PathOf("config.yaml");
        File.WriteAllLines(configuration, File.ReadAllLines(configuration).Where(line => !line.Contains("row_order", StringComparison.Ordinal)));
        var losses = shifted.Records.Select(record => record.Loss).ToArray();
        Directory.Delete(shifted.Path, recursive: true);

        ProgramRun.Execute(ExitCode.Done, arguments).Dispose();

        Assert.Contains("row_order: sequential", File.ReadAllText(shifted.PathOf("config.yaml")), StringComparison.Ordinal);
        Assert.Equal(losses, shifted.Records.Select(record => record.Loss));
        using var other = ProgramRun.Execute(ExitCode.Usage, [.. arguments, "--set", "data.row_order=shuffled"]);
        Assert.Contains("a run of other settings", other.Error, StringComparison.Ordinal);
    }

    private static string[] Train(TrainedRun run, params string[] settings) =>
    [
        "train", Earlier.PathOf("begun-with.yaml"), "--set", $"run.name={Path.GetFileName(run.Path)}",
        "--set", $"run.directory={Path.GetDirectoryName(run.Path)}", "--set", Data(run),
        .. settings.SelectMany(setting => (string[])["--set", setting]),
    ];

    private static string Data(TrainedRun run)
    {
        var shards = Earlier.PathOf("shards");
        Assert.True(Directory.Exists(shards), $"{shards} is missing, so {run.Path} has no data");
        return $"data.train=[{{ glob: '{shards}/a-*.parquet', weight: 0.7 }}, {{ glob: '{shards}/b-*.parquet', weight: 0.3 }}]";
    }

    private static string? OrderOf(string checkpoint)
    {
        using var state = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(checkpoint, "state.json")));
        return state.RootElement.GetProperty("loader").GetProperty("row_order").GetString();
    }
}
