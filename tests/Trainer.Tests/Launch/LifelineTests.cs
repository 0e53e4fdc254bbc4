using KvShiftScale.Trainer.Tests.EndToEnd;

namespace KvShiftScale.Trainer.Tests.Launch;

/// <summary>The program with which launch/train and verbs start mpirun: its command lives no longer than they.</summary>
public sealed class LifelineTests
{
    private static string Program => Path.Combine(AppContext.BaseDirectory, "lifeline");

    [Theory]
    [InlineData("exit 0", 0)]
    [InlineData("exit 75", 75)]
    [InlineData("kill -KILL $$", 128 + 9)]
    [InlineData("kill -TERM $$", 128 + 15)]
    // Ignored until the command wants them.
    [InlineData("kill -USR1 $$; kill -USR2 $$; exit 3", 3)]
    // It has a session of its own.
    [InlineData("[ $(ps -o sid= -p $$) = $(ps -o sid= -p $PPID) ] && [ $(ps -o sid= -p $PPID) = $PPID ] && exit 4", 4)]
    public void TheCommandsExitCodeIsItsOwn(string command, int exitCode)
    {
        using var run = Start(command);
        run.WaitFor(exitCode);
    }

    [Theory]
    [InlineData(15, "TERM")]
    [InlineData(12, "USR2")]
    [InlineData(1, "HUP")]
    public void SignalsAreHandedOn(int number, string name)
    {
        // A shell cannot catch what it has found ignored.
        using var run = Start($"exec env --default-signal={name} bash -c \"trap 'echo got {name}; exit 5' {name}; echo lifeline \\$PPID; while :; do sleep 0.05; done\"");
        Assert.True(SpinWait.SpinUntil(() => run.Output.Contains('\n', StringComparison.Ordinal), ProgramRun.Patience));

        ProgramRun.StartFile("kill", [$"-{number}", run.Output.Trim().Split(' ')[1]]).WaitFor(0);
        run.WaitFor(5);

        Assert.Contains($"got {name}", run.Output, StringComparison.Ordinal);
    }

    // A command that hears SIGTERM, one that does not, one that has stopped, and what has made a session of its own.
    [Theory]
    [InlineData("sleep MARK")]
    [InlineData("trap '' TERM; sleep MARK")]
    [InlineData("kill -STOP $$; sleep MARK")]
    [InlineData("setsid bash -c \"trap '' TERM; sleep MARK\" & sleep MARK")]
    [InlineData("(setsid sleep MARK &) ; sleep MARK")]
    public void NothingIsLeftFiveSecondsAfterTheStarterIsKilled(string command)
    {
        // Long enough for ever, and no other process has it.
        var mark = $"7{Environment.ProcessId}{Math.Abs(command.GetHashCode(StringComparison.Ordinal)) % 10_000}";
        using var starter = Start(command.Replace("MARK", mark, StringComparison.Ordinal));
        Assert.True(SpinWait.SpinUntil(() => Living(mark) > 1, ProgramRun.Patience), "nothing was started");

        starter.KillAlone();

        Assert.True(SpinWait.SpinUntil(() => Living(mark) == 0, TimeSpan.FromSeconds(5)), $"{Living(mark)} processes are left");
    }

    [Fact]
    public void WithoutItsStarterNothingIsStarted()
    {
        using var run = ProgramRun.StartFile(Program, ["1", "bash", "-c", "echo started"]);
        run.WaitFor(127);
        Assert.DoesNotContain("started", run.Output, StringComparison.Ordinal);
    }

    // By a process of one thread: the system takes the end of the thread that has started a process for that of its starter.
    private static ProgramRun Start(string command) => ProgramRun.StartFile("bash", ["-c", "\"$1\" $$ bash -c \"$2\" & wait $!", "starter", Program, command]);

    private static int Living(string mark) => Directory.GetDirectories("/proc").Count(path =>
    {
        try
        {
            return char.IsAsciiDigit(Path.GetFileName(path)[0]) && File.ReadAllText(Path.Combine(path, "cmdline")).Contains(mark, StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    });
}
