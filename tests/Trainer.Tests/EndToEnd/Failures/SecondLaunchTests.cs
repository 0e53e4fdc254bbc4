using KvShiftScale.Core;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Liveness;

namespace KvShiftScale.Trainer.Tests.EndToEnd.Failures;

/// <summary>Launches that should not be: a second one of a run that is being trained, and one whose processes MPI does not bring together.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class SecondLaunchTests(TrainingFixture fixture)
{
    private const int SigKill = 9;

    [Fact]
    public void ASecondLaunchOfARunIsRefusedAndOneAfterAKillIsNot()
    {
        var arguments = fixture.TrainArguments("twice", "run.checkpoint_every=2", "run.validate_every=0", "run.stall_timeout_seconds=600");
        using var first = ProgramRun.StartFile(MpiRun.Launcher.Program, ["-x", "KVSHIFT_INJECT=stall@step:6,rank=0", .. MpiRun.ArgumentsOf(1, ProgramRun.KvShift, arguments)]);
        fixture.WaitForSteps("twice", 5);
        var run = fixture.RunOf("twice");
        var heartbeats = HeartbeatsOf(run);

        var refused = MpiRun.Execute(2, ProgramRun.KvShift, arguments, ExitCode.Usage);

        Assert.Matches(@"kvshift: \S+twice is in use by process \d+ on \S+ since .*; waiting up to 5 s for it to end", refused);
        Assert.Matches(@"kvshift: found \S+twice in use by process \d+ on \S+ since ", refused);
        // Nothing of the first is touched: nobody has taken its files away, and it still writes them.
        Assert.False(first.HasEnded);
        Assert.Equal(heartbeats, HeartbeatsOf(run));
        Assert.True(File.Exists(RunLock.PathIn(run.Path)));

        // Its rank finds out within a second; the next launch waits for it.
        first.Signal(SigKill);
        using var next = ProgramRun.Execute(ExitCode.Done, arguments);
        Assert.Contains("going on from the checkpoint of step", next.Output + next.Error, StringComparison.Ordinal);
        Assert.Equal(Enumerable.Range(1, 20).Select(step => (long)step), run.Records.Select(record => record.Step));
        Assert.False(File.Exists(RunLock.PathIn(run.Path)));
    }

    [Theory]
    [InlineData("PMI_RANK=0", "PMI_SIZE=2", "found rank 0 of 1 where the launcher says PMI_RANK=0 and PMI_SIZE=2")]
    [InlineData("SLURM_PROCID=1", "SLURM_STEP_NUM_TASKS=2", "found rank 0 of 1 where the launcher says SLURM_PROCID=1 and SLURM_STEP_NUM_TASKS=2")]
    public void ProcessesThatMpiDoesNotBringTogetherAreRefused(string rank, string size, string told)
    {
        using var run = ProgramRun.StartFile("env", [rank, size, "dotnet", ProgramRun.KvShift, .. fixture.TrainArguments("apart")]);
        run.WaitFor(ExitCode.Usage);

        Assert.Contains(told, run.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(fixture.RunOf("apart").Path));
    }

    private static string[] HeartbeatsOf(TrainedRun run)
        => [.. Directory.GetFiles(run.PathOf(LivenessFolder.Name), "rank-?????").Select(path => File.ReadAllText(path).Split("\"process_id\":")[1].Split(',')[0]).Order()];
}
