using KvShiftScale.Core;
using KvShiftScale.Trainer.Commands;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>A run's folder where a model is wanted, and the way from shards to a sample.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class ShortPathTests(TrainingFixture fixture)
{
    private readonly List<string> _passedOver = [];

    [Fact]
    public void ARunMeansItsNewestCheckpointAndAStepAnother()
    {
        var run = fixture.OneRank;

        Assert.Equal(run.Checkpoint(20), RunPath.Model(run.Path, null, _passedOver.Add));
        Assert.Equal(run.Checkpoint(20), RunPath.Model(run.PathOf("checkpoints"), null, _passedOver.Add));
        Assert.Equal(run.Checkpoint(8), RunPath.Model(run.Path, "8", _passedOver.Add));
        Assert.Equal(run.Checkpoint(8), RunPath.Model(run.Checkpoint(8), null, _passedOver.Add));
        Assert.Empty(_passedOver);
    }

    [Fact]
    public void TheBestIsTheOneWithTheLowestValidationLossOfThoseThatAreThere()
    {
        // Validated at 10 and 20, saved at 8, 16 and 20.
        Assert.Equal(fixture.OneRank.Checkpoint(20), RunPath.Model(fixture.OneRank.Path, RunPath.Best, _passedOver.Add));

        var copy = fixture.OneRank.CopyTo(fixture.PathOf("runs", $"worse-{Guid.NewGuid():N}"));
        var lines = File.ReadAllLines(copy.PathOf("metrics.jsonl"));
        lines[15] = lines[15].Replace("\"loss\"", "\"validation_loss\":0.5,\"loss\"", StringComparison.Ordinal);
        File.WriteAllLines(copy.PathOf("metrics.jsonl"), lines);
        Assert.Equal(copy.Checkpoint(16), RunPath.Model(copy.Path, RunPath.Best, _passedOver.Add));
    }

    [Fact]
    public void ADamagedCheckpointIsPassedOverWithAWord()
    {
        var copy = fixture.OneRank.CopyTo(fixture.PathOf("runs", $"cut-{Guid.NewGuid():N}"));
        using (var file = new FileStream(Path.Combine(copy.Checkpoint(20), TrainedRun.FirstRankFile), FileMode.Open))
        {
            file.SetLength(file.Length / 2);
        }

        Assert.Equal(copy.Checkpoint(16), RunPath.Model(copy.Path, null, _passedOver.Add));
        Assert.Contains("step-00000020", Assert.Single(_passedOver));
    }

    [Theory]
    [InlineData("--step", "9", "has a checkpoint of: 8, 16, 20")]
    [InlineData("--step", "newest", "wanted best or a step")]
    public void AStepThatIsNotThereIsRefusedWithThoseThatAre(string option, string step, string told)
        => Assert.Contains(told, CommandRun.Execute(ExitCode.Usage, "generate", fixture.OneRank.Path, option, step).Error);

    [Fact]
    public void WhatIsNoRunIsRefusedByName()
    {
        Assert.Contains("found no folder nowhere and no run runs/nowhere", CommandRun.Execute(ExitCode.Usage, "generate", "nowhere").Error);
        Assert.Contains("found no model", CommandRun.Execute(ExitCode.Usage, "eval", "--data", fixture.ValidationShard).Error);
        var model = fixture.PathOf($"exported-{Guid.NewGuid():N}");
        CommandRun.Execute(ExitCode.Done, "checkpoint", "export", fixture.OneRank.Path, "--output", model);
        Assert.Contains("found no --data", CommandRun.Execute(ExitCode.Usage, "eval", model).Error);
        Assert.Contains("wanted one of them", CommandRun.Execute(ExitCode.Usage, "generate", "a", "--model", "b").Error);
        Assert.Contains("which is no run", CommandRun.Execute(ExitCode.Usage, "generate", fixture.ModelPath, "--step", "8").Error);
    }

    [Fact]
    public void EvaluationOfARunIsThatOfItsCheckpoint()
        => Assert.Equal(CommandRun.Evaluate(fixture.ModelPath, fixture.ValidationShard), CommandRun.Evaluate(fixture.OneRank.Path, fixture.ValidationShard));

    [Fact]
    public void WithoutDataARunIsEvaluatedOnItsOwn()
    {
        var (loss, _) = CommandRun.Evaluate(fixture.OneRank.Path, fixture.ValidationShard);

        Assert.Contains(FormattableString.Invariant($"\"loss\":{loss:R}"), CommandRun.Execute(ExitCode.Done, "eval", fixture.OneRank.Path).Output);
    }

    [Fact]
    public void LinesOfInputAreContinuedOneAfterTheOther()
    {
        var file = fixture.PathOf($"prompts-{Guid.NewGuid():N}.txt");
        File.WriteAllText(file, "the shift\n\nkeys and\n");

        var run = ProgramRun.StartFile("bash", ["-c", "exec dotnet \"$0\" generate \"$1\" --interactive --max-tokens 4 --greedy < \"$2\"", ProgramRun.KvShift, fixture.OneRank.Path, file]);
        run.WaitFor(ExitCode.Done);

        Assert.Collection(run.Output.TrimEnd('\n').Split('\n'), line => Assert.StartsWith("the shift", line), line => Assert.StartsWith("keys and", line));
    }

    [Fact]
    public void FromShardsToASampleNothingIsEdited()
    {
        var file = fixture.PathOf($"new-{Guid.NewGuid():N}.yaml");
        var name = $"new-{Guid.NewGuid():N}";
        var written = CommandRun.Execute(ExitCode.Done, "new", name, "--data", fixture.PathOf("train"), "--validation", fixture.PathOf("validation"), "--output", file);
        Assert.Contains("2 layers of 128", written.Output);
        Assert.Contains($"./launch/train --ranks", written.Output);

        ProgramRun.Execute(ExitCode.Done, "train", file, "--set", $"run.directory={fixture.RunsPath}", "--set", "run.steps=2", "--set", "optimizer.warmup_steps=1");

        var run = fixture.RunOf(name);
        var sample = ProgramRun.Execute(ExitCode.Done, "generate", run.Path, "--max-tokens", "3");
        Assert.StartsWith("The", sample.Output);
        Assert.Contains("done: validation", File.ReadAllText(run.PathOf("log.txt")));
        Assert.Contains("exists", CommandRun.Execute(ExitCode.Usage, "new", name, "--data", fixture.PathOf("train"), "--output", file).Error.Replace("does not exist yet", "exists", StringComparison.Ordinal));
    }

    [Fact]
    public void RunsAreComparedByTheirFolders()
    {
        var page = fixture.PathOf($"compare-{Guid.NewGuid():N}.html");

        var run = CommandRun.Execute(ExitCode.Done, "compare", fixture.OneRank.Path, fixture.TwoRanks.Path, "--output", page);

        Assert.Contains("one-rank", run.Output);
        Assert.Contains("two-ranks", run.Output);
        Assert.Contains("Loss over tokens", File.ReadAllText(page));
        Assert.Contains("no config.yaml", CommandRun.Execute(ExitCode.Usage, "compare", fixture.PathOf("train"), "--output", page).Error);
    }
}
