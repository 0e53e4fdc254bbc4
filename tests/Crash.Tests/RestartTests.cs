using KvShiftScale.CrashProgram;

namespace KvShiftScale.Crash.Tests;

/// <summary>launch/train --restart.</summary>
[Collection(nameof(WorkshopGroup))]
public sealed class RestartTests(WorkshopFixture fixture)
{
    private static readonly RunLayout Two = new(2, 1, false);

    private readonly Workshop _workshop = fixture.Workshop;

    [Fact]
    public void Crashes_are_gone_on_from_with_the_ranks_that_are_left_while_there_is_progress()
    {
        var (folder, traces) = New("restart");
        // Each launch is killed in one of its saves, a little further each time.
        using var launch = RunningLaunch.Start(Train(folder, "--restart", "20", "--ranks-left", "1"), folder, "kill@file.rename:18,rank=0");

        Assert.True(launch.Wait() == 0, launch.Output);

        Assert.Contains("kvshift: crash 1 (signal 9) after step ", launch.Output, StringComparison.Ordinal);
        Assert.Contains("restart 1 of 20 in 1 s from the newest good checkpoint, step ", launch.Output, StringComparison.Ordinal);
        Assert.Contains("1 of 2 rank(s), data 1 x context 1 x tensor 1", launch.Output, StringComparison.Ordinal);
        Assert.Contains("1 rank(s) with", launch.Output, StringComparison.Ordinal);
        var log = File.ReadAllLines(Path.Combine(folder, "r", "restarts.jsonl"));
        Assert.Equal(launch.Output.Split("kvshift: crash ").Length - 1, log.Length);
        Assert.All(log, line => Assert.Contains("\"exit_code\":137", line, StringComparison.Ordinal));
        Assert.Equal(_workshop.CrashReference(1).Bits, traces.Bits(Workshop.CrashSteps));
    }

    [Fact]
    public void A_crash_at_the_same_step_again_ends_it()
    {
        var (folder, _) = New("stuck");
        using var launch = RunningLaunch.Start(Train(folder, "--restart", "5"), folder, "kill@step:11,rank=1");

        Assert.True(launch.Wait() == 137, launch.Output);

        Assert.Contains("restart 1 of 5", launch.Output, StringComparison.Ordinal);
        Assert.Contains("crash 2 (signal 9) after step 10; not started again: it crashed at step 10 before", launch.Output, StringComparison.Ordinal);
    }

    private (string Folder, RunTraces Traces) New(string name)
    {
        var folder = _workshop.NewFolder(name);
        return (folder, new RunTraces(Path.Combine(folder, "r")));
    }

    private string[] Train(string folder, params string[] options)
        => ["bash", Path.Combine(Workshop.Checkout, "launch", "train"), "--ranks", "2", .. options, .. Workshop.Arguments(_workshop.CrashConfig, folder, Two).Skip(1)];
}
