using System.Text.Json;
using System.Xml.Linq;
using KvShiftScale.Core;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Experiments.Induction;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>The verb with few steps: too few to learn anything, enough for every part of it.</summary>
public sealed class InductionExperimentTests
{
    private static readonly string[] Short = ["experiment", "induction", "--preset", "quick", "--seeds", "1", "--widths", "none"];

    [Fact]
    public void TwoRanksFindWhatOneFinds()
    {
        using var folder = new TemporaryFolder();
        using var one = Execute(folder.PathOf("one"), "1");
        using var two = Execute(folder.PathOf("two"), "2");

        Assert.Contains("7 runs on 1 rank(s)", one.Error);
        Assert.Contains("7 runs on 2 rank(s)", two.Output + two.Error);
        var files = Directory.GetFiles(folder.PathOf("one", "runs"));
        Assert.Equal(7, files.Length);
        foreach (var file in files)
        {
            var (here, there) = (Read(file), Read(folder.PathOf("two", "runs", Path.GetFileName(file))));
            Assert.Equal(here.Curve, there.Curve);
            Assert.Equal([0, 12], here.Curve.Select(point => point.Step));
            Assert.Equal(here.Scalars.SelectMany(entry => entry.Value), there.Scalars.SelectMany(entry => entry.Value));
        }

        // Nothing is learnt in 12 steps, and the table says so.
        Assert.Contains("does not hold: KV shift with 1 layer reaches 0.99 on every seed", one.Output);
        Assert.Contains("holds: vanilla with 1 layer stays under 0.12", one.Output);
        Assert.Contains("| vanilla, 4 layers | 32 | 54,560 | never |", File.ReadAllText(folder.PathOf("one", "results.md")));
        using var json = JsonDocument.Parse(File.ReadAllBytes(folder.PathOf("one", "results.json")));
        Assert.Equal(7, json.RootElement.GetProperty("runs").GetArrayLength());
        Assert.Equal(2, json.RootElement.GetProperty("studies").GetArrayLength());
        XDocument.Load(folder.PathOf("one", "single-repeat-depth.svg"));
        var page = File.ReadAllText(folder.PathOf("one", "report.html"));
        Assert.Contains("<svg", page);
        Assert.DoesNotContain("<script", page);
        Assert.DoesNotContain("src=", page);

        // The same command again has nothing to train.
        using var again = Execute(folder.PathOf("one"), "1");
        Assert.Contains("7 are finished already", again.Error);
        Assert.Equal(one.Output, again.Output);
        ProgramRun.Execute(ExitCode.Usage, [.. Short, "--output", folder.PathOf("one"), "--new"]).Dispose();
    }

    [Fact]
    public void ASignalEndsAllRanksAndLeavesFinishedRuns()
    {
        using var folder = new TemporaryFolder();
        using var run = ProgramRun.Start([.. Short, "--output", folder.Path, "--ranks", "2", "--steps", "1000000"]);
        Assert.True(SpinWait.SpinUntil(() => Directory.Exists(folder.PathOf(".claims")) && Directory.GetFiles(folder.PathOf(".claims")).Length == 2,
            TimeSpan.FromSeconds(30)), "two ranks have claimed nothing after 30 s");

        run.Signal(ProgramRun.SigTerm);
        run.WaitFor(ExitCode.Stopped);

        Assert.Contains("stopped by a signal with 0 of 7 runs finished", run.Output + run.Error);
        Assert.False(File.Exists(folder.PathOf("report.html")));
    }

    private static ProgramRun Execute(string output, string ranks)
        => ProgramRun.Execute(ExitCode.Done, [.. Short, "--output", output, "--ranks", ranks, "--steps", "12"]);

    private static InductionResult Read(string path)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(path));
        return InductionResultFile.Read(path, json.RootElement.GetProperty("settings").GetString()!)!;
    }
}
