using KvShiftScale.Core;
using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.EndToEnd.Failures;

/// <summary>A checkpoint that cannot be read is rejected as a damaged one is, and an older good one serves.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class UnreadableCheckpointTests(TrainingFixture fixture)
{
    // Root may read everything, unless it gives these rights up.
    private static readonly string[] WithoutOverride = Environment.UserName == "root" ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] : ["env"];

    [Fact]
    public void AFileThatMayNotBeReadIsNamedAndTheOneBeforeIsTaken()
    {
        var run = Forbidden("forbidden", TrainedRun.FirstRankFile);
        var reason = $"{run.Checkpoint(20)}: {TrainedRun.FirstRankFile}: cannot be read (Access to the path '";

        Assert.Contains(reason, Bound(ExitCode.Failed, "checkpoint", "verify", run.Path));
        var output = Bound(ExitCode.Done, fixture.TrainArguments("forbidden"));

        Assert.Contains($"checkpoint rejected: {run.Checkpoint(20)}: {TrainedRun.FirstRankFile} cannot be read (Access to the path '", output);
        Assert.Contains("going on from the checkpoint of step 16", output);
        Assert.Equal(fixture.OneRank.Tensors(20), run.Tensors(20));
    }

    [Fact]
    public void AManifestThatMayNotBeReadHindersNeitherListNorReplay()
    {
        var run = Forbidden("forbidden-manifest", "manifest.json", step: 16);

        // The table breaks long lines anywhere.
        var list = Bound(ExitCode.Done, "checkpoint", "list", run.Path);
        Assert.Contains("Access to", list);
        Assert.Equal(2, list.Split("complete").Length - 1);
        var replay = Bound(ExitCode.Done, "replay", "--step", "18", run.Path);

        Assert.Contains($"checkpoint rejected: {run.Checkpoint(16)}: cannot be read (Access to the path '", replay);
        Assert.Contains("step-00000008", replay);
    }

    // What a disk that gives errors does: the file opens, its head is good, and a later part cannot be read, not the second time either.
    [Fact]
    public void APartThatCannotBeReadIsFoundWhileTheRanksLoad()
    {
        var run = fixture.OneRank.CopyTo(fixture.RunOf("unreadable").Path);
        using var faults = new InjectedEnvironment("throw@tensor.read:1; throw@file.checksum:1");

        using var process = ProgramRun.Execute(ExitCode.Done, fixture.TrainArguments("unreadable"));

        Assert.Contains($"checkpoint rejected: {run.Checkpoint(20)}: {TrainedRun.FirstRankFile}: cannot be read (injected fault at file.checksum)", process.Error);
        Assert.Contains("going on from the checkpoint of step 16", process.Output);
    }

    // The other would wait for it in another collective until the watch ends both.
    [Theory]
    [InlineData("state.read:1")]
    [InlineData("checkpoint.open:1")]
    public void ARankThatAloneCannotOpenACheckpointEndsAllWithItsWords(string point)
    {
        var run = fixture.OneRank.CopyTo(fixture.RunOf("alone-" + point.Replace(':', '-')).Path);
        using var faults = new InjectedEnvironment($"throw@{point},rank=1");

        // 1, not 2: another launch may well see it.
        var output = MpiRun.Execute(2, ProgramRun.KvShift, [.. fixture.TrainArguments(Path.GetFileName(run.Path), "run.steps=24"), "--accept-changed-schedule"],
            ExitCode.Failed);

        Assert.Contains($"kvshift: rank 1 on {Environment.MachineName}: injected fault at {point[..^2]}", output);
        Assert.DoesNotContain("checkpoint rejected", output);
    }

    private TrainedRun Forbidden(string name, string file, long step = 20)
    {
        var run = fixture.OneRank.CopyTo(fixture.RunOf(name).Path);
        if (OperatingSystem.IsLinux())
        {
            File.SetUnixFileMode(Path.Combine(run.Checkpoint(step), file), UnixFileMode.None);
        }

        return run;
    }

    private static string Bound(int exitCode, params string[] arguments)
    {
        using var process = ProgramRun.StartFile(WithoutOverride[0], [.. WithoutOverride[1..], "dotnet", ProgramRun.KvShift, .. arguments]);
        process.WaitFor(exitCode);
        return process.Output + process.Error;
    }
}
