using KvShiftScale.Core;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.EndToEnd.Failures;

/// <summary>
/// What footers tell of the data is told before the first step. What they cannot tell ends a run on all ranks at the same step, with what was trained saved.
/// </summary>
[Collection(nameof(EndToEndGroup))]
public sealed class DataFaultTests(TrainingFixture fixture)
{
    // One row group at a time, six of them, one epoch: 118 rows of 49 tokens in steps of 4.
    private static readonly string[] Settings =
        ["data.validation=[]", "run.validate_every=0", "run.checkpoint_every=0", "run.steps=28", "data.shuffle_row_groups=1", "optimizer.decay=constant"];

    private TokenizerModel Tokenizer => TokenizerModel.Load(fixture.TokenizerPath);

    [Theory]
    [InlineData("data.train")]
    [InlineData("data.validation")]
    public void AnIdThatTheFooterStatesIsToldBeforeTheFirstStep(string key)
    {
        var path = fixture.PathOf("stated-id", "shard.parquet");
        HiddenId.Write(path, Tokenizer);

        using var run = ProgramRun.Execute(ExitCode.Usage, fixture.TrainArguments("stated-id", $"{key}=[{fixture.PathOf("stated-id")}]"));

        Assert.Contains($"{key} = {fixture.PathOf("stated-id")}", run.Error);
        Assert.Contains($"{path}: row group {HiddenId.LastRowGroup} has ids from", run.Error);
        Assert.Contains($"to {HiddenId.Id}, as the footer states; wanted ids in [0, 300)", run.Error);
        Assert.False(Directory.Exists(fixture.RunOf("stated-id").PathOf("checkpoints")));
    }

    [Fact]
    public void AnEvaluationTellsItToo()
    {
        var path = fixture.PathOf("stated-id-eval", "shard.parquet");
        HiddenId.Write(path, Tokenizer);

        using var run = ProgramRun.Execute(ExitCode.Usage, "eval", "--model", fixture.ModelPath, "--data", path);

        Assert.Contains($"{path}: row group {HiddenId.LastRowGroup} has ids from", run.Error);
    }

    [Fact]
    public void ShardsOfAnotherTokenizerAreToldByFile()
    {
        var path = fixture.PathOf("other-tokenizer", "shard.parquet");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using (var writer = new TokenShardWriter(path, new ShardWriterOptions { TokenizerHash = "another", VocabularySize = 300 }))
        {
            writer.Append([.. Enumerable.Range(0, 200)]);
            writer.Complete();
        }

        foreach (var settings in (string[][])[[$"data.train=[{path}]"], [$"data.validation=[{path}]", "data.tokenizer="]])
        {
            using var run = ProgramRun.Execute(ExitCode.Usage, fixture.TrainArguments("other-tokenizer", settings));
            Assert.Contains(path, run.Error);
            Assert.Contains("another", run.Error);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(2, "parallel.tensor=2")]
    [InlineData(2, "parallel.context=2")]
    [InlineData(2, "parallel.pipeline=2")]
    public void AnIdThatNoFooterStatesEndsTheRunWithASave(int ranks, params string[] layout)
    {
        var name = $"hidden-id-{ranks}{string.Concat(layout.Select(setting => setting.Replace('=', '-')))}";
        var path = fixture.PathOf(name, "shard.parquet");
        HiddenId.Write(path, Tokenizer);
        HiddenId.HideIn(path, Tokenizer);
        var arguments = fixture.TrainArguments(name, [.. Settings, $"data.train=[{path}]", .. layout]);

        var told = Fail(ranks, arguments);

        Assert.Contains($"{path}: row group {HiddenId.LastRowGroup}: document 3: token 5 is {HiddenId.Id}; ids must be in [0, 300)", told);
        var saved = Saved(told);
        Assert.InRange(saved, 1, 27);
        Assert.Equal([TrainedRun.NameOf(saved)], Checkpoints(name));
        Assert.DoesNotContain("   at ", told);

        // Again: the same at once. Mended: on to the end.
        Assert.Equal(saved, Saved(Fail(ranks, arguments)));
        HiddenId.Write(path, Tokenizer, id: 7);
        Run(ranks, [.. arguments, "--accept-changed-data"], ExitCode.Done);
        Assert.Equal(28, fixture.RunOf(name).Last.Step);
    }

    [Theory]
    [InlineData("data")]
    [InlineData("parallel.tensor=2")]
    [InlineData("parallel.context=2")]
    [InlineData("parallel.pipeline=2")]
    public void AFaultThatOneRankAloneHasEndsAllOfThem(string layout)
    {
        var name = $"one-sided-{layout.Replace('=', '-')}";
        WriteForEachRank(name, "train");
        string[] parallel = layout == "data" ? [] : [layout];

        var told = FailOnTwoMachines(name, fixture.TrainArguments(name, [.. Settings, "data.train=[train/*.parquet]", .. parallel]));

        Assert.Contains($"rank 1: ", told);
        Assert.Contains($"train/shard.parquet: row group {HiddenId.LastRowGroup}", told);
        Assert.Equal([TrainedRun.NameOf(Saved(told))], Checkpoints(name));
    }

    [Theory]
    [InlineData("data")]
    [InlineData("parallel.tensor=2")]
    [InlineData("parallel.context=2")]
    [InlineData("parallel.pipeline=2")]
    public void AFaultInTheValidationDataOfOneRankEndsAllOfThem(string layout)
    {
        var name = $"one-sided-validation-{layout.Replace('=', '-')}";
        WriteForEachRank(name, "validation");
        string[] parallel = layout == "data" ? [] : [layout];

        var told = FailOnTwoMachines(name, fixture.TrainArguments(name, ["data.validation=[validation/*.parquet]", "run.validate_every=5", .. parallel]));

        Assert.Contains($"rank 1: ", told);
        Assert.Contains($"validation/shard.parquet: row group {HiddenId.LastRowGroup}", told);
        Assert.Contains("Nothing was trained", told);
    }

    [Fact]
    public void ValidationDataThatIsDamagedLaterEndsTheRunWithASave()
    {
        const string name = "validation-later";
        var path = fixture.PathOf(name, "shard.parquet");
        HiddenId.Write(path, Tokenizer, id: 7);
        string[] settings = ["run.checkpoint_every=0", "run.validate_every=5", $"data.validation=[{path}]", "optimizer.decay=constant"];
        fixture.Train(name, [.. settings, "run.steps=8"]);
        DamageLastRowGroup(path);

        using var run = ProgramRun.Execute(ExitCode.Failed, fixture.TrainArguments(name, [.. settings, "run.steps=20"]));

        Assert.Contains($"{path}: row group {HiddenId.LastRowGroup}", run.Error);
        Assert.Equal(10, Saved(run.Error));
        Assert.Equal([TrainedRun.NameOf(8), TrainedRun.NameOf(10)], Checkpoints(name));
        // What was due after that step is still due.
        HiddenId.Write(path, Tokenizer, id: 7);
        fixture.Train(name, [.. settings, "run.steps=20"]);
        Assert.NotNull(Assert.Single(fixture.RunOf(name).Records, record => record.Step == 10).ValidationLoss);
    }

    // The same shard in a folder of each rank, with the same footer, and damaged pages in that of the second.
    private void WriteForEachRank(string name, string folder)
    {
        foreach (var rank in (int[])[0, 1])
        {
            var path = fixture.PathOf($"{name}-machine-{rank}", folder, "shard.parquet");
            HiddenId.Write(path, Tokenizer, id: 7);
            if (rank == 1)
            {
                DamageLastRowGroup(path);
            }
        }
    }

    private static void DamageLastRowGroup(string path)
    {
        var bytes = File.ReadAllBytes(path);
        var footer = 8 + BitConverter.ToInt32(bytes, bytes.Length - 8);
        // The last row group's pages end where the footer begins; enough of them to hit compressed values.
        bytes.AsSpan(bytes.Length - footer - 400, 300).Fill(0xA5);
        File.WriteAllBytes(path, bytes);
    }

    private string FailOnTwoMachines(string name, string[] arguments)
    {
        string[] Rank(int rank) => ["-np", "1", "--wdir", fixture.PathOf($"{name}-machine-{rank}"), "dotnet", ProgramRun.KvShift, .. arguments];
        using var run = ProgramRun.StartFile("mpirun", ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none", .. Rank(0), ":", .. Rank(1)]);
        run.WaitFor(ExitCode.Failed);
        Assert.DoesNotContain("   at ", run.Error);
        return run.Error;
    }

    private static string Fail(int ranks, string[] arguments) => Run(ranks, arguments, ExitCode.Failed);

    private static string Run(int ranks, string[] arguments, int exitCode)
    {
        if (ranks > 1)
        {
            return MpiRun.Execute(ranks, ProgramRun.KvShift, arguments, exitCode);
        }

        using var run = ProgramRun.Execute(exitCode, arguments);
        return run.Error;
    }

    private static int Saved(string told)
    {
        var match = System.Text.RegularExpressions.Regex.Match(told, "The run is saved as it was after step ([0-9]+)");
        Assert.True(match.Success, told);
        return int.Parse(match.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture);
    }

    private string[] Checkpoints(string name) => [.. Directory.GetDirectories(fixture.RunOf(name).PathOf("checkpoints")).Select(Path.GetFileName)
        .OfType<string>().Where(folder => folder.StartsWith("step-", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
}
