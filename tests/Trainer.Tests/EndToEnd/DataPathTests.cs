using KvShiftScale.Core;
using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>Runs whose data is padded, comes from an unknown writer, or changes under them.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class DataPathTests(TrainingFixture fixture)
{
    [Fact]
    public void PaddedRunCountsItsTargetsAndNotItsPadding()
    {
        var one = fixture.Train("padded", "data.packing=pad", "run.validate_every=0", "data.validation=[]");
        var two = fixture.TrainOnTwoRanks("padded-on-two", "data.packing=pad", "run.validate_every=0", "data.validation=[]");

        // The same rows, and a mean over the same targets, although the ranks have different numbers of them. 1e-4 as for other layouts:
        // sums of float32 gradients in another order, over 20 steps.
        two.AssertSameCurve(one, 1e-4);

        // Every step has 4 rows; a row has one document's window of at most 48 inputs, and at least one.
        var tokens = one.Records.Select(record => record.Tokens).Prepend(0).ToArray();
        Assert.All(tokens.Zip(tokens.Skip(1)), pair => Assert.InRange(pair.Second - pair.First, 4, 4 * 48));
        Assert.True(one.Last.Tokens < 20 * 4 * 48, "no row was padded");
        Assert.True(one.Last.Loss < 0.95 * one.Records[0].Loss);
        Assert.All(one.Records, record => Assert.InRange(record.DataWaitFraction!.Value, 0, 1));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void RowGroupsOfAnUnknownWriterAreCountedOnceForARun(int ranks)
    {
        var name = $"foreign-{ranks}";
        var path = fixture.PathOf($"{name}.parquet");
        var bytes = File.ReadAllBytes(fixture.TrainingShard);
        // The only place that names the writer is the footer's last field.
        var at = bytes.AsSpan().LastIndexOf("Parquet.Net"u8);
        bytes.AsSpan(at, 11).Fill((byte)'x');
        File.WriteAllBytes(path, bytes);
        string[] settings = [$"data.train=[{path}]", "run.steps=20"];

        var run = ranks == 1 ? fixture.Train(name, settings) : fixture.TrainOnTwoRanks(name, settings);

        run.AssertSameCurve(fixture.OneRank, ranks == 1 ? 0 : 1e-4);
        var counts = File.ReadAllText(run.PathOf("row-group-counts.json"));
        Assert.Contains($"\"name\":\"{name}.parquet\"", counts);
        Assert.Contains($"\"tokens\":[{fixture.Encode(TrainingFixture.TrainingTexts).Sum(ids => ids.Length)}]", counts);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void ShardThatIsCutDuringTheRunEndsEveryRank(int ranks)
    {
        var name = $"cut-{ranks}";
        var path = fixture.PathOf($"{name}.parquet");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.Copy(fixture.TrainingShard, path);
        // More steps than can be done before the file is cut; every few of them read it again from its start.
        var arguments = fixture.TrainArguments(name, $"data.train=[{path}]", "run.steps=100000", "run.checkpoint_every=0", "run.validate_every=0",
            "data.validation=[]", "run.log_every=1");

        string told;
        if (ranks == 1)
        {
            using var run = ProgramRun.Start(arguments);
            fixture.WaitForSteps(name, 3);
            Cut(path);
            run.WaitFor(ExitCode.Failed);
            told = run.Error;
        }
        else
        {
            using var run = MpiRun.Start(ranks, ProgramRun.KvShift, arguments);
            fixture.WaitForSteps(name, 3);
            Cut(path);
            Assert.True(run.WaitForExit() == ExitCode.Failed, run.Output);
            told = run.Output;
        }

        Assert.Contains($"{path}: ", told);
        Assert.Matches("changed while in use|was cut while in use", told);
        Assert.DoesNotContain("   at ", told);
    }

    [Fact]
    public void RanksThatSeeOtherFilesAreRefused()
    {
        // Both ranks name data/*.parquet, each in a folder of its own.
        string[] Rank(int rank, string shard)
        {
            Directory.CreateDirectory(fixture.PathOf($"machine-{rank}", "data"));
            File.Copy(shard, fixture.PathOf($"machine-{rank}", "data", "shard.parquet"));
            return ["-np", "1", "--wdir", fixture.PathOf($"machine-{rank}"), "dotnet", ProgramRun.KvShift,
                .. fixture.TrainArguments("two-views", "data.train=[data/*.parquet]", "data.validation=[]", "run.validate_every=0")];
        }

        using var run = ProgramRun.StartFile(MpiRun.Launcher.Program,
            ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none", .. Rank(0, fixture.TrainingShard), ":", .. Rank(1, fixture.ValidationShard)]);
        run.WaitFor(ExitCode.Failed);

        Assert.Contains("rank 1 sees other files than rank 0. Rank 0: 'data/*.parquet' with weight 1 is 1 files with 160 documents (", run.Error);
        Assert.Contains("Rank 1: 'data/*.parquet' with weight 1 is 1 files with 24 documents (", run.Error);
        // What the ranks said last may be there, of a run nothing.
        Assert.False(File.Exists(fixture.RunOf("two-views").PathOf("config.yaml")));
        Assert.False(File.Exists(fixture.RunOf("two-views").PathOf("metrics.jsonl")));
    }

    [Fact]
    public void AFolderStandsForItsShardsInEveryVerb()
    {
        var folder = fixture.PathOf("by-folder");
        Directory.CreateDirectory(Path.Combine(folder, "below"));
        File.Copy(fixture.TrainingShard, Path.Combine(folder, "shard-00000.parquet"));
        File.WriteAllText(Path.Combine(folder, "._shard-00000.parquet"), "what an archive of another system has left");
        File.WriteAllText(Path.Combine(folder, ".shard-00001.parquet"), "what a writer has not finished");
        File.CreateSymbolicLink(Path.Combine(folder, "again.parquet"), "shard-00000.parquet");
        File.CreateSymbolicLink(Path.Combine(folder, "below", "up"), "..");

        // The same data as by the pattern that the configuration has: the same bits.
        using var run = ProgramRun.Execute(ExitCode.Done, fixture.TrainArguments("by-folder", $"data.train=[{folder}]", $"data.validation=[{fixture.PathOf("validation")}]"));
        fixture.RunOf("by-folder").AssertSameCurve(fixture.OneRank, 0);
        var said = Assert.Single(run.Error.Split('\n'), line => line.Contains("left out", StringComparison.Ordinal));
        Assert.Contains("data.train: left out: ", said);
        Assert.Contains("again.parquet (the same file as ", said);
        Assert.Contains("below/up (a link to a folder that is searched already: ..)", said);

        var whole = CommandRun.Evaluate(fixture.ModelPath, fixture.TrainingShard);
        foreach (var path in (string[])[folder, folder + "/*.parquet", folder + "/**/*.parquet"])
        {
            Assert.Equal(whole, CommandRun.Evaluate(fixture.ModelPath, path));
            Assert.Contains("\"rows\":160", CommandRun.Execute(ExitCode.Done, "data", "verify", path).Output);
            Assert.Contains("160", CommandRun.Execute(ExitCode.Done, "data", "inspect", path, "--documents", "0").Output);
        }

        // A copy is another file, whatever it holds.
        Assert.Contains("\"rows\":344", CommandRun.Execute(ExitCode.Done, "data", "verify", fixture.TrainingShard, fixture.ValidationShard, folder).Output);
    }

    private static void Cut(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        file.SetLength(file.Length / 2);
    }
}
