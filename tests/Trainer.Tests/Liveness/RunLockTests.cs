using System.Diagnostics;
using System.Globalization;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Launch;

namespace KvShiftScale.Trainer.Tests.Liveness;

public sealed class RunLockTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Run => _folder.PathOf("runs", "one");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ASecondLaunchIsToldWhoHoldsTheFolder()
    {
        using var first = new RunLock(Run, TimeSpan.Zero);
        Assert.Null(first.TryTake());

        using var second = new RunLock(Run, TimeSpan.Zero);
        var refusal = second.TryTake();

        Assert.NotNull(refusal);
        Assert.Matches(@"^found \S+/runs/one in use by process \d+ on \S+ since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d \(launch\.lock\); wanted .*; wait ", refusal);
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"process {Environment.ProcessId} on {Environment.MachineName} "), refusal, StringComparison.Ordinal);
        // The one that was refused takes nothing with it.
        second.Dispose();
        Assert.True(File.Exists(RunLock.PathIn(Run)));
    }

    [Fact]
    public async Task AFolderThatIsFreedIsHadByWhoeverWaits()
    {
        using var first = new RunLock(Run);
        Assert.Null(first.TryTake());
        using var second = new RunLock(Run, TimeSpan.FromSeconds(30));
        var waited = Stopwatch.StartNew();
        var taking = Task.Run(second.TryTake);
        await Task.Delay(300);
        Assert.False(taking.IsCompleted);

        first.Dispose();

        Assert.Null(await taking);
        Assert.InRange(waited.Elapsed, TimeSpan.FromSeconds(0.25), TimeSpan.FromSeconds(20));
        // The file that it holds has the name, so that a third launch meets it.
        using var third = new RunLock(Run, TimeSpan.Zero);
        Assert.NotNull(third.TryTake());
    }

    [Fact]
    public void AFileThatAKillHasLeftMeansNothing()
    {
        Directory.CreateDirectory(Run);
        File.WriteAllText(RunLock.PathIn(Run), "process 1 on somewhere since long ago, and a line that is longer than the one that follows it will ever be\n");

        using var hold = new RunLock(Run, TimeSpan.Zero);

        Assert.Null(hold.TryTake());
        using var other = new RunLock(Run, TimeSpan.Zero);
        Assert.DoesNotContain("somewhere", other.TryTake(), StringComparison.Ordinal);
    }

    [Fact]
    public void NothingIsLeftOfAnEmptyRunAndARunStays()
    {
        using (var hold = new RunLock(Run, TimeSpan.Zero))
        {
            Assert.Null(hold.TryTake());
        }

        Assert.False(Directory.Exists(Run));

        using (var hold = new RunLock(Run, TimeSpan.Zero))
        {
            Assert.Null(hold.TryTake());
            File.WriteAllText(Path.Combine(Run, "config.yaml"), "");
        }
        Assert.Equal(["config.yaml"], Directory.GetFileSystemEntries(Run).Select(path => Path.GetFileName(path)));
    }

    // Its holder ends, and somebody who waits must not go on with a file that nobody else can find.
    [Fact]
    public void AFileThatLostItsNameHoldsNothing()
    {
        using var first = new RunLock(Run, TimeSpan.Zero);
        Assert.Null(first.TryTake());
        RunLock.Remove(Run);
        using var second = new RunLock(Run, TimeSpan.Zero);
        Assert.Null(second.TryTake());

        first.Dispose();

        Assert.True(File.Exists(RunLock.PathIn(Run)));
        using var third = new RunLock(Run, TimeSpan.Zero);
        Assert.NotNull(third.TryTake());
    }
}
