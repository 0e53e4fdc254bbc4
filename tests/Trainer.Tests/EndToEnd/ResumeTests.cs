using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Core;
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

    [Theory]
    [InlineData("data")]
    [InlineData("pipeline", "parallel.pipeline=2")]
    public void TwoRanksStoppedGoOnAsOne(string layout, params string[] settings)
    {
        var name = $"two-then-one-{layout}";
        using (new InjectedEnvironment(NotTooFast))
        using (var run = MpiRun.Start(2, ProgramRun.KvShift, fixture.TrainArguments(name, [.. Long, .. settings])))
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
        foreach (var used in (string[])["mpirun", "kvshift"])
        {
            File.Copy(Path.Combine(Path.GetDirectoryName(LaunchScript())!, used), fixture.PathOf("checkout", "launch", used));
        }

        using var faults = new InjectedEnvironment(NotTooFast);
        using var run = ProgramRun.StartFile("bash", [script, "--ranks", "2", .. fixture.TrainArguments(name, Long).Skip(1)]);
        fixture.WaitForSteps(name, 3);
        run.Signal(ProgramRun.SigTerm);
        run.WaitFor(ExitCode.Stopped);

        var stoppedAt = fixture.RunOf(name).Last.Step;
        Assert.InRange(stoppedAt, 3, Steps - 1);
        Assert.Equal([fixture.RunOf(name).Checkpoint(stoppedAt)], Checkpoints(name));
    }

    [Theory]
    [InlineData(null, "found no file at --hostfile ''")]
    [InlineData("node-a slots=2\nnode-b slot=1\n", "found 'node-b slot=1' in line 2 of")]
    [InlineData("# none\n", "found no machine in")]
    [InlineData("node-a\n", "found --ranks 3; wanted at most 1, its file has no more slots")]
    public void LaunchScriptRefusesAFileOfMachinesThatIsNone(string? content, string said)
    {
        var path = content is null ? "" : fixture.PathOf("hosts");
        if (content is not null)
        {
            File.WriteAllText(path, content);
        }

        using var run = ProgramRun.StartFile("bash", [LaunchScript(), "--ranks", "3", "--hostfile", path, .. fixture.TrainArguments("hosts").Skip(1)]);
        run.WaitFor(ExitCode.Usage);

        Assert.Contains(said, run.Error);
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
        using var jump = ProgramRun.Execute(ExitCode.Usage, [.. arguments, "--accept-changed-data"]);
        Assert.Contains("run.steps was 20 and is 24", jump.Error);
        Assert.DoesNotContain("data.train had", jump.Error.Split("rule:")[^1]);
        using var accepted = ProgramRun.Execute(ExitCode.Done, [.. arguments, "--accept-changed-data", "--accept-changed-schedule"]);

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
    [InlineData("model.ffn_size=32", "model.ffn_size = 32\n    rule:   must be what RUN has, which is 64")]
    [InlineData("model.kv_shift=window3", "model.kv_shift = window3\n    rule:   must be what RUN has, which is kv")]
    [InlineData("model.tie_embeddings=true", "model.tie_embeddings = true\n    rule:   must be what RUN has, which is false")]
    public void AnotherOrderOfTheDataOrAnotherShapeIsRefused(string setting, string difference)
    {
        var name = "order-" + setting.Split('=')[0];
        var run = fixture.OneRank.CopyTo(fixture.RunOf(name).Path);

        using var again = ProgramRun.Execute(ExitCode.Usage, fixture.TrainArguments(name, "run.steps=30", setting));

        Assert.Contains(difference.Replace("RUN", run.Checkpoint(20), StringComparison.Ordinal), again.Error);
        // The whole record says nothing that the keys do not.
        Assert.DoesNotContain("ModelConfig", again.Error);
    }

    [Fact]
    public void FinishedRunHasNothingToDo()
    {
        var run = fixture.OneRank.CopyTo(fixture.RunOf("finished").Path);
        var written = File.GetLastWriteTimeUtc(run.PathOf("report.html"));

        using var again = ProgramRun.Execute(ExitCode.Done, fixture.TrainArguments("finished"));

        Assert.StartsWith("complete: all 20 steps are done; raise run.steps to go on (", again.LastLine);
        Assert.Contains("--accept-changed-schedule", again.LastLine);
        Assert.DoesNotContain("validation loss", again.Output);
        Assert.Equal(written, File.GetLastWriteTimeUtc(run.PathOf("report.html")));
        run.AssertSameCurve(fixture.OneRank, 0);
        Assert.Equal(fixture.OneRank.Tensors(20), run.Tensors(20));
    }

    [Fact]
    public void FinishedRunWithoutItsReportGetsItAgain()
    {
        var run = fixture.OneRank.CopyTo(fixture.RunOf("without-report").Path);
        File.Delete(run.PathOf("report.html"));

        using var again = ProgramRun.Execute(ExitCode.Done, fixture.TrainArguments("without-report"));

        Assert.StartsWith("done: validation ", again.LastLine);
        Assert.True(File.Exists(run.PathOf("report.html")));
    }

    [Fact]
    public void RunThatWasToBeShorterIsCompleteToo()
    {
        fixture.OneRank.CopyTo(fixture.RunOf("shortened").Path);

        using var again = ProgramRun.Execute(ExitCode.Done, fixture.TrainArguments("shortened", "run.steps=10"));

        Assert.StartsWith("complete: 20 steps are done and run.steps is 10; set run.steps above 20 to go on", again.LastLine);
    }

    [Fact]
    public void TheLastLineSaysWhatTheRunCameToAndWhatNext()
    {
        using var run = ProgramRun.Execute(ExitCode.Done, fixture.TrainArguments("last-line", "run.steps=2", "run.sample_prompt=the shift"));

        var trained = fixture.RunOf("last-line");
        Assert.Matches(@"^done: validation [0-9.]+ -> [0-9.]+; report ", run.LastLine);
        Assert.Contains($"; report {trained.PathOf("report.html")}; try: ", run.LastLine);
        Assert.EndsWith($"kvshift generate --model {trained.Checkpoint(2)} --prompt 'the shift'", run.LastLine);
    }

    [Fact]
    public void ALongerCosineIsRefusedUnlessItsJumpIsAccepted()
    {
        var run = fixture.OneRank.CopyTo(fixture.RunOf("longer-cosine").Path);
        var arguments = fixture.TrainArguments("longer-cosine", "run.steps=24");

        using var refused = ProgramRun.Execute(ExitCode.Usage, arguments);
        Assert.Contains("run.steps was 20 and is 24, so that the learning rate of step 21 is ", refused.Error);
        Assert.Contains(" where it was to be 3.0e-04", refused.Error);
        Assert.Equal(20, run.Last.Step);

        using var accepted = ProgramRun.Execute(ExitCode.Done, [.. arguments, "--accept-changed-schedule"]);
        Assert.Contains("warning: going on with another schedule of the learning rate: run.steps was 20 and is 24; ", accepted.Error);
        Assert.Equal(24, run.Last.Step);
    }

    [Fact]
    public void ALongerRunOnItsPlateauHasTheBitsOfOneThatWasAlwaysAsLong()
    {
        string[] plateau = ["optimizer.decay=wsd", "optimizer.decay_steps=3", "run.validate_every=0"];
        var unbroken = fixture.Train("wsd-unbroken", [.. plateau, "run.steps=20"]);
        var run = fixture.Train("wsd-longer", [.. plateau, "run.steps=12"]);
        // What has decayed already is given up; the newest checkpoint on the plateau is that of step 8.
        Directory.Delete(run.Checkpoint(12), recursive: true);

        using var longer = ProgramRun.Execute(ExitCode.Done, fixture.TrainArguments("wsd-longer", [.. plateau, "run.steps=20"]));

        Assert.Contains("run.steps was 12 and is 20; the schedule of the learning rate goes on as it was, with 3.0e-03 at step 9", longer.Output);
        foreach (var (step, rate) in new[] { (17, 3e-3), (18, 2.1e-3), (19, 1.2e-3), (20, 3e-4) })
        {
            Assert.Equal(rate, run.Records[step - 1].Lr, 1e-12);
        }

        run.AssertSameCurve(unbroken, 0);
        Assert.Equal(unbroken.Tensors(20), run.Tensors(20));
    }

    [Fact]
    public void OtherHabitsOfTheOptimizerAreSaid()
    {
        fixture.OneRank.CopyTo(fixture.RunOf("other-optimizer").Path);

        using var again = ProgramRun.Execute(ExitCode.Done,
            fixture.TrainArguments("other-optimizer", "run.steps=21", "optimizer.weight_decay=0.2", "optimizer.beta2=0.9", "optimizer.clip_norm=0.5"));

        // At the end of a cosine one step more has its last rate.
        Assert.Contains("run.steps was 20 and is 21; the schedule of the learning rate goes on as it was", again.Output);
        Assert.Contains("optimizer.beta2 was 0.95 and is 0.9, optimizer.weight_decay was 0.1 and is 0.2, optimizer.clip_norm was 1 and is 0.5, from step 21 on", again.Output);
    }

    [Theory]
    [InlineData("nothing")]
    [InlineData("a launch that never saved")]
    [InlineData("only a checkpoint that was never finished")]
    public void ResumeGoesOnOrFails(string before)
    {
        var run = fixture.RunOf("resume-" + before.Replace(' ', '-'));
        if (before != "nothing")
        {
            Directory.CreateDirectory(run.PathOf("checkpoints"));
            File.WriteAllText(run.PathOf("config.yaml"), "");
        }

        if (before.StartsWith("only", StringComparison.Ordinal))
        {
            Directory.CreateDirectory(run.PathOf("checkpoints", ".step-00000004.partial"));
        }

        using var refused = ProgramRun.Execute(ExitCode.Usage, [.. fixture.TrainArguments(Path.GetFileName(run.Path)), "--resume"]);

        Assert.Contains($"--resume wants a run with a finished checkpoint, and {run.Path} has none", refused.Error);
        Assert.False(File.Exists(run.PathOf("metrics.jsonl")));
    }

    [Fact]
    public void ResumeGoesOnWhereThereIsACheckpointAndExcludesNew()
    {
        var run = fixture.OneRank.CopyTo(fixture.RunOf("resume-exists").Path);
        Directory.Delete(run.Checkpoint(20), recursive: true);

        using var both = ProgramRun.Execute(ExitCode.Usage, [.. fixture.TrainArguments("resume-exists"), "--resume", "--new"]);
        Assert.Contains("found --new and --resume; wanted one of them", both.Error);
        using var again = ProgramRun.Execute(ExitCode.Done, [.. fixture.TrainArguments("resume-exists"), "--resume"]);

        Assert.Contains("going on from the checkpoint of step 16", again.Output);
        Assert.Equal(fixture.OneRank.Tensors(20), run.Tensors(20));
    }

    [Fact]
    public void AnotherTokenizerIsRefusedWhereShardsDoNotSayTheirs()
    {
        var run = fixture.OneRank.CopyTo(fixture.RunOf("other-tokenizer").Path);
        var other = fixture.PathOf("other-tokenizer");
        ProgramRun.Execute(ExitCode.Done, "tokenizer", "train", "--input", fixture.PathOf("validation.jsonl"), "--vocab-size", "290", "--output", other).Dispose();

        var difference = ModelCompanions.TokenizerDifference(run.Checkpoint(20), other);

        Assert.StartsWith("the tokenizer was ", difference);
        Assert.EndsWith("with 290", difference);
        Assert.Null(ModelCompanions.TokenizerDifference(run.Checkpoint(20), fixture.TokenizerPath));
        Assert.Null(ModelCompanions.TokenizerDifference(run.Checkpoint(20), null));
        Assert.Null(ModelCompanions.TokenizerDifference(run.PathOf("checkpoints"), other));
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
