using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

[Collection(nameof(EndToEndGroup))]
public sealed class ResumeTests(TrainingFixture fixture)
{
    private const int Steps = 100;

    // Long enough to be interrupted: a second or two. No checkpoint is due before the end, so that the signal's is the only one.
    private static readonly string[] Long =
        [$"run.steps={Steps}", "data.global_batch=16", "data.micro_batch=2", "run.checkpoint_every=0", "run.validate_every=0"];

    // A second each, which costs nothing when the signal comes before: this process may lose its processor for longer than a run takes.
    private const string NotTooFast =
        "linger@step:30; linger@step:40; linger@step:50; linger@step:60; linger@step:70; linger@step:80; linger@step:90";

    [Theory]
    [InlineData(ProgramRun.SigTerm)]
    [InlineData(ProgramRun.SigUsr2)]
    public void InterruptedRunEndsWithTheBitsOfAnUnbrokenOne(int signal)
    {
        var unbroken = Unbroken();
        var name = $"stopped-by-{signal}";
        using (new InjectedEnvironment(NotTooFast))
        using (var run = ProgramRun.Start(fixture.TrainArguments(name, Long)))
        {
            fixture.WaitForSteps(name, 3);
            run.Signal(signal);
            run.WaitFor(ExitCode.Stopped);
        }

        var stoppedAt = fixture.RunOf(name).Last.Step;
        Assert.InRange(stoppedAt, 3, Steps - 1);
        Assert.Equal([fixture.RunOf(name).Checkpoint(stoppedAt)], Checkpoints(name));

        var resumed = fixture.Train(name, Long);

        resumed.AssertSameCurve(unbroken, 0);
        Assert.Equal(unbroken.Last.ValidationLoss, resumed.Last.ValidationLoss);
        Assert.Equal(unbroken.Tensors(Steps), resumed.Tensors(Steps));
        Assert.Contains($"resumed after step {stoppedAt}", File.ReadAllText(resumed.PathOf("report.html")));
    }

    [Fact]
    public void TwoRanksStoppedGoOnAsOne()
    {
        const string name = "two-then-one";
        using (new InjectedEnvironment(NotTooFast))
        using (var run = MpiRun.Start(2, "kvshift.dll", fixture.TrainArguments(name, Long)))
        {
            fixture.WaitForSteps(name, 3);
            ProgramRun.StartFile("kill", ["-USR2", $"{run.ProcessId}"]).WaitFor(0);
            Assert.True(run.WaitForExit() == ExitCode.Stopped, run.Output);
        }

        Assert.InRange(fixture.RunOf(name).Last.Step, 3, Steps - 1);
        fixture.Train(name, Long).AssertSameCurve(Unbroken(), 1e-4);
    }

    [Fact]
    public void LaunchScriptTurnsSigtermIntoACheckpoint()
    {
        const string name = "by-script";
        // The script finds the program relative to itself; here that is the one under test.
        var release = fixture.PathOf("checkout", "artifacts", "bin", "KvShiftScale.Trainer", "release");
        Directory.CreateDirectory(Path.GetDirectoryName(release)!);
        Directory.CreateSymbolicLink(release, AppContext.BaseDirectory);
        var script = fixture.PathOf("checkout", "launch", "train");
        Directory.CreateDirectory(Path.GetDirectoryName(script)!);
        File.Copy(LaunchScript(), script);

        using var faults = new InjectedEnvironment(NotTooFast);
        using var run = ProgramRun.StartFile("bash", [script, "--ranks", "2", .. fixture.TrainArguments(name, Long).Skip(1)]);
        fixture.WaitForSteps(name, 3);
        run.Signal(ProgramRun.SigTerm);
        run.WaitFor(ExitCode.Stopped);

        var stoppedAt = fixture.RunOf(name).Last.Step;
        Assert.InRange(stoppedAt, 3, Steps - 1);
        Assert.Equal([fixture.RunOf(name).Checkpoint(stoppedAt)], Checkpoints(name));
    }

    [Fact]
    public void DamagedNewestCheckpointIsNamedAndTheOneBeforeIsUsed()
    {
        var intact = fixture.OneRank;
        var run = intact.CopyTo(fixture.RunOf("damaged-checkpoint").Path);
        var weights = Path.Combine(run.Checkpoint(20), TrainedRun.FirstRankFile);
        var bytes = File.ReadAllBytes(weights);
        bytes[^100] ^= 1;
        File.WriteAllBytes(weights, bytes);

        using var again = ProgramRun.Execute(ExitCode.Done, fixture.TrainArguments("damaged-checkpoint"));

        var told = again.Output + again.Error;
        Assert.Contains($"checkpoint rejected: {run.Checkpoint(20)}", told);
        Assert.Matches(@"checkpoint rejected: .*rank-00000\.safetensors.*tensor '[^']+' is changed", told);
        Assert.Contains("going on from the checkpoint of step 16", told);
        run.AssertSameCurve(intact, 0);
        Assert.Equal(intact.Tensors(20), run.Tensors(20));
    }

    [Fact]
    public void ARunWithoutAnyGoodCheckpointIsNotWrittenOver()
    {
        var run = fixture.OneRank.CopyTo(fixture.RunOf("all-damaged").Path);
        var before = File.ReadAllBytes(run.PathOf("metrics.jsonl"));
        foreach (var weights in Directory.GetFiles(run.Path, TrainedRun.FirstRankFile, SearchOption.AllDirectories))
        {
            File.WriteAllBytes(weights, [1, 2, 3]);
        }

        using var again = ProgramRun.Execute(ExitCode.Failed, fixture.TrainArguments("all-damaged"));

        Assert.Contains("No checkpoint of", again.Error);
        Assert.Equal(before, File.ReadAllBytes(run.PathOf("metrics.jsonl")));
    }

    [Fact]
    public void OtherTrainingDataIsRefusedWithTheDifference()
    {
        var run = fixture.OneRank.CopyTo(fixture.RunOf("other-data").Path);
        var before = File.ReadAllBytes(run.PathOf("metrics.jsonl"));

        using var again = ProgramRun.Execute(ExitCode.Usage,
            fixture.TrainArguments("other-data", "run.steps=30", $"data.train=[{fixture.ValidationShard}]"));

        var tokens = fixture.Encode(TrainingFixture.TrainingTexts).Sum(ids => ids.Length);
        var otherTokens = fixture.Encode(TrainingFixture.ValidationTexts).Sum(ids => ids.Length);
        Assert.Contains($"must be what it was when {run.Checkpoint(20)} was saved", again.Error);
        Assert.Contains($"1 files with 160 documents and {tokens} tokens then; 1 files with 24 documents and {otherTokens} tokens now", again.Error);
        Assert.Equal(before, File.ReadAllBytes(run.PathOf("metrics.jsonl")));
    }

    [Fact]
    public void ChangedDataThatIsAcceptedIsTrainedOnAndIsThenTheRunsOwn()
    {
        var run = fixture.OneRank.CopyTo(fixture.RunOf("accepted-data").Path);
        string[] settings = ["run.steps=24", $"data.train=[{fixture.TrainingShard}, {fixture.ValidationShard}]"];
        var arguments = fixture.TrainArguments("accepted-data", settings);

        using var refused = ProgramRun.Execute(ExitCode.Usage, arguments);
        using var accepted = ProgramRun.Execute(ExitCode.Done, [.. arguments, "--accept-changed-data"]);

        Assert.Contains("data.train had 1 sources and has 2", refused.Error);
        Assert.Contains("--accept-changed-data goes on at the same step", refused.Error);
        Assert.Contains("warning: going on with changed data: data.train had 1 sources and has 2", accepted.Error);
        Assert.Equal(24, run.Last.Step);

        // The checkpoint of step 24 knows the new data, so that nothing has changed since, and what the run was begun with has.
        using var again = ProgramRun.Execute(ExitCode.Done, arguments);
        using var back = ProgramRun.Execute(ExitCode.Usage, fixture.TrainArguments("accepted-data", "run.steps=24"));
        Assert.Contains("data.train had 2 sources and has 1", back.Error);
    }

    [Fact]
    public void AnotherConfigurationOfTheOrderIsNotData()
    {
        fixture.OneRank.CopyTo(fixture.RunOf("accepted-seed").Path);

        using var again = ProgramRun.Execute(ExitCode.Usage,
            [.. fixture.TrainArguments("accepted-seed", "run.steps=24", "run.seed=4"), "--accept-changed-data"]);

        Assert.Contains("run.seed was 3 and is 4", again.Error);
    }

    [Theory]
    [InlineData("run.seed=4", "run.seed was 3 and is 4")]
    [InlineData("data.context=40", "data.context was 48 and is 40")]
    [InlineData("data.global_batch=8", "data.global_batch was 4 and is 8")]
    [InlineData("data.shuffle_row_groups=2", "data.shuffle_row_groups was 8 and is 2")]
    [InlineData("data.packing=pad", "data.packing was concatenate and is pad")]
    [InlineData("data.row_order=sequential", "data.row_order was shuffled and is sequential")]
    [InlineData("model.ffn_size=32", "must be the shape of")]
    public void AnotherOrderOfTheDataOrAnotherShapeIsRefused(string setting, string difference)
    {
        var name = "order-" + setting.Split('=')[0];
        fixture.OneRank.CopyTo(fixture.RunOf(name).Path);

        using var again = ProgramRun.Execute(ExitCode.Usage, fixture.TrainArguments(name, "run.steps=30", setting));

        Assert.Contains(difference, again.Error);
    }

    [Fact]
    public void FinishedRunHasNothingToDo()
    {
        var run = fixture.OneRank.CopyTo(fixture.RunOf("finished").Path);

        fixture.Train("finished");

        run.AssertSameCurve(fixture.OneRank, 0);
        Assert.Equal(fixture.OneRank.Tensors(20), run.Tensors(20));
    }

    private TrainedRun Unbroken()
        => Directory.Exists(fixture.RunOf("unbroken").Path) ? fixture.RunOf("unbroken") : fixture.Train("unbroken", Long);

    private string[] Checkpoints(string name) => Directory.GetDirectories(fixture.RunOf(name).PathOf("checkpoints"));

    private static string LaunchScript()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "KvShiftScale.sln")))
        {
            folder = folder.Parent!;
        }

        return Path.Combine(folder.FullName, "launch", "train");
    }
}
