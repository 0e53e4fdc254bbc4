using KvShiftScale.Core;
using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.EndToEnd.Failures;

/// <summary>A launch that ends before it trains leaves the folder of a good earlier run as it was: not a file more, none changed.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class RefusedLaunchTests(TrainingFixture fixture)
{
    private static readonly string[] Good = [];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void AConfigurationThatDoesNotFitTheRunIsRefused(int ranks)
        => LeavesNothing(ranks, ExitCode.Usage, "data.context was 48 and is 40", Good, "data.context=40");

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void ARunWithoutAGoodCheckpointIsNotGoneOnWith(int ranks)
        => LeavesNothing(ranks, ExitCode.Failed, "No checkpoint of", ["step-00000008", "step-00000016", "step-00000020"]);

    // The first rank waits for it meanwhile. By the fourteenth collective the watch looks after both, and data is open.
    [Theory]
    [InlineData("throw", ExitCode.Failed, "kvshift (rank 1): injected fault at collective")]
    [InlineData("kill", 128 + 9, "phase loading, step 0: it died without a word, says rank 0")]
    public void ARankThatFailsAloneEndsAll(string fault, int exitCode, string told)
    {
        // Trained without faults, if it is not yet.
        _ = fixture.OneRank;
        using var faults = new InjectedEnvironment($"{fault}@collective:14,rank=1", fault == "kill" ? 5 : null);
        LeavesNothing(2, exitCode, told, Good, "run.steps=24");
    }

    // By the signal alone, after seconds in which the ranks do not meet; nobody is told of as dead.
    [Fact]
    public void ASignalThatNobodyAnswersEndsAll()
    {
        _ = fixture.OneRank;
        using var faults = new InjectedEnvironment("term@collective:14,rank=0; stall@collective:14,rank=1");
        var output = LeavesNothing(2, ExitCode.Stopped, "stopped by a signal before training", Good, "run.steps=24");
        Assert.DoesNotContain("died", output);
    }

    private string LeavesNothing(int ranks, int exitCode, string told, string[] damaged, params string[] settings)
    {
        var name = $"refused-{ranks}-{exitCode}-{settings.Length}";
        var run = fixture.OneRank.CopyTo(fixture.RunOf(name).Path);
        foreach (var checkpoint in damaged)
        {
            File.WriteAllText(run.PathOf("checkpoints", checkpoint, "manifest.json"), "{}");
        }

        var before = Content(run);
        // More steps of a cosine would be refused before anything that these tests wait for.
        string[] arguments = [.. fixture.TrainArguments(name, settings), "--accept-changed-schedule"];

        string output;
        if (ranks > 1)
        {
            output = MpiRun.Execute(ranks, ProgramRun.KvShift, arguments, exitCode);
        }
        else
        {
            using var process = ProgramRun.Execute(exitCode, arguments);
            output = process.Error;
        }

        Assert.Contains(told, output);
        var after = Content(run);
        Assert.Equal(before.Keys, after.Keys);
        Assert.Equal(before.Values, after.Values);
        return output;
    }

    // Folders with their names, files with every byte.
    private static SortedDictionary<string, string> Content(TrainedRun run)
        => new(Directory.EnumerateFileSystemEntries(run.Path, "*", SearchOption.AllDirectories)
            .ToDictionary(path => path, path => Directory.Exists(path) ? "folder" : Convert.ToHexString(File.ReadAllBytes(path))), StringComparer.Ordinal);
}
