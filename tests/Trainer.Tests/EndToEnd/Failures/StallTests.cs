using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using KvShiftScale.Core;
using KvShiftScale.Parallel.Native;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Liveness;
using Xunit.Abstractions;

namespace KvShiftScale.Trainer.Tests.EndToEnd.Failures;

/// <summary>Four real ranks of which one stalls, dies, or calls another collective. Each test has the real program, mpirun and a bound of seconds.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class StallTests(TrainingFixture fixture, ITestOutputHelper output)
{
    private const int Bound = 4;
    private const int SigKill = 9;
    private const int SigStop = 19;

    // What a report may take after the bound, and what the answers of ranks take of it at most.
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Answers = TimeSpan.FromSeconds(5);

    // Ranks end within seconds; ones that stay would stay for good.
    private static readonly TimeSpan Ending = TimeSpan.FromSeconds(60);

    // Rank 1 takes longer than the bound in step 3 and says that it gets on, while the others wait for it.
    [Fact]
    public void AStalledRankIsNamedWithPhaseAndCollectiveAndASlowOneIsNot()
    {
        var run = Fails("stall", "slow@step:3,rank=1; stall@step:5,rank=2");

        var folder = fixture.RunOf("stall");
        var report = File.ReadAllText(folder.PathOf(LivenessFolder.ReportName));
        Assert.Matches(@"rank 2 on \S+ \(process \d+\), phase data, step 5, is late: it is in no collective, and has not come to all_reduce of \d+ \w+ \(sum\) "
            + @"#\d+ in replicas beside \[0 1 2 3\] at src/Parallel/Gradients/\w+\.cs:\d+, in which rank 0, 1, 3 waits", report);
        Assert.Equal(Regex.Match(report, "rank 2 on .* is late.*").Value, Assert.Single(Regex.Matches(run.Error, ".* is late.*")).Value);
        Assert.Contains("rank 2", Assert.Single(File.ReadAllLines(folder.PathOf(LastWords.FileName))), StringComparison.Ordinal);
        Assert.Matches(@"\n2 +\S+ +\d+ +data +5 ", report);
        Assert.Matches(@"\n3 +\S+ +\d+ +reduce +5 .*all_reduce", report);
        Assert.Equal([1, 2, 3, 4], folder.Records.Select(record => record.Step));
        ReportCameInTime("stall");
        NothingIsLeft("stall");
    }

    [Fact]
    public void AMismatchedCollectiveIsNamedWhereTheRunHangs()
    {
        var run = Fails("mismatch", "mismatch@step:5,rank=1");

        Assert.Matches(@"^rank 1 on \S+ \(process \d+\), phase data, step 5, is late: it is in barrier #\d+ in replicas \[0 1 2 3\] at "
            + @"src/Trainer/Faults/InjectedCollectives\.cs:\d+, and has not come to all_reduce of .*, in which rank 0, 2, 3 waits",
            Assert.Single(Regex.Matches(run.Error, ".* is late.*")).Value);
        ReportCameInTime("mismatch");
        NothingIsLeft("mismatch");
    }

    [Fact]
    public void RanksThatCompareNameAMismatchBeforeItHangs()
    {
        // Without a thread for communication the other ranks are in the same group at that moment.
        var run = Fails("compared", "mismatch-count@step:5,rank=3", "run.check_collectives=true", "parallel.overlap=false");

        Assert.Matches(@"rank 3 is at all_reduce of 1 int32 \(sum\) #\d+ at src/Trainer/Faults/InjectedCollectives\.cs:\d+; rank 0, 1, 2 at reduce_scatter of \d+ float32",
            run.Error);
        Assert.Contains("different collectives", LastWordsOf("compared"), StringComparison.Ordinal);
        NothingIsLeft("compared");
    }

    // In one of the three steps in which it is slow, of which the first takes as long as the signal needs.
    [Fact]
    public void ARankThatWasStoppedIsNamedWithItsStackAndEnded()
    {
        using var run = Start("stopped", "slow@step:3,rank=2; slow@step:4,rank=2; slow@step:5,rank=2; patient@stacks");
        var process = WaitForRank("stopped", 2, step: 3);
        var stoppedAt = DateTime.UtcNow;
        Signal(process, SigStop);

        run.WaitFor(ExitCode.Failed);

        var folder = fixture.RunOf("stopped");
        // Stacks have their time here. Without them a report is there as soon as all that can have answered.
        var asked = File.GetLastWriteTimeUtc(new LivenessFolder(folder.Path).Request) - stoppedAt;
        output.WriteLine($"asked {asked} after the signal");
        Assert.InRange(asked, TimeSpan.Zero, TimeSpan.FromSeconds(Bound) + Margin - Answers);
        Assert.Matches(@"rank 2 on \S+ \(process \d+\), phase \w+, step \d+, is late: its heartbeat stopped \d+ s ago", run.Error);
        var stacks = File.ReadAllText(folder.PathOf(LivenessFolder.StacksName, "rank-2.txt"));
        Assert.Contains("InjectedFaults", stacks, StringComparison.Ordinal);
        Assert.Contains("TrainingLoop", stacks, StringComparison.Ordinal);
        Assert.Contains("CommunicationThread.Wait", File.ReadAllText(folder.PathOf(LivenessFolder.StacksName, "rank-3.txt")), StringComparison.Ordinal);
        NothingIsLeft("stopped");
    }

    [Fact]
    public void ADeadRankIsNamedByTheOthers()
    {
        // mpirun gives the others a second to have their say, which is little for three processes on busy cores.
        using var run = Launch(["--mca", "odls_base_sigkill_timeout", "5"], "killed", "kill@step:5,rank=1");
        Assert.True(SpinWait.SpinUntil(() => run.HasEnded, ProgramRun.Patience));

        Assert.Matches(@"^.*rank 1 on \S+, process \d+: phase \w+, step \d+: it died without a word.*$", Assert.Single(File.ReadAllLines(LastWordsPathOf("killed"))));
        Assert.NotEqual(0, run.ExitCode);
        NothingIsLeft("killed");
    }

    // The others are in collectives that it never joins, with threads and groups that cannot be disposed of without it.
    [Fact]
    public void ARankThatFailsHasTheOnlyWord()
    {
        var run = Fails("thrown", "throw@step:5,rank=2");

        Assert.Matches(@"^.*rank 2 on \S+, process \d+: phase data, step 5: injected fault at step$", Assert.Single(File.ReadAllLines(LastWordsPathOf("thrown"))));
        Assert.Contains("kvshift (rank 2): injected fault at step", run.Error, StringComparison.Ordinal);
        NothingIsLeft("thrown");
    }

    // The exception passes through libtorch's engine. The other rank waits for this one in the same collective meanwhile.
    [Theory]
    [InlineData(MpiFlavor.OpenMpi, "tensor=2", "recompute=none")]
    [InlineData(MpiFlavor.OpenMpi, "tensor=2", "recompute=full")]
    [InlineData(MpiFlavor.Mpich, "tensor=2", "recompute=none")]
    [InlineData(MpiFlavor.OpenMpi, "pipeline=2", "recompute=none")]
    public void ACollectiveThatFailsInsideBackwardEndsBothRanks(MpiFlavor mpi, string layout, string recompute)
    {
        var name = $"backward-{mpi.Key}-{layout}-{recompute}".Replace('=', '-');
        var launcher = MpiLauncher.Find(mpi);
        using var faults = new InjectedEnvironment("throw@backward.collective:3,rank=1");
        var started = Stopwatch.GetTimestamp();
        using var run = ProgramRun.StartFile(launcher.Program, [.. MpiRun.ArgumentsOf(launcher, 2, ProgramRun.KvShift,
            fixture.TrainArguments(name, [$"parallel.{layout}", $"parallel.{recompute}"]))]);

        run.WaitFor(ExitCode.Failed);
        output.WriteLine($"ended {Stopwatch.GetElapsedTime(started)} after the start");
        Assert.Contains("kvshift (rank 1): injected fault at backward.collective", run.Error, StringComparison.Ordinal);
        var folder = fixture.RunOf(name);
        var words = Assert.Single(File.ReadAllLines(folder.PathOf(LastWords.FileName)));
        Assert.Matches("rank 1 on .*phase backward, step 1: injected fault at backward.collective$", words);
        // From the failure, whose time the last words have, to the end of the launch.
        Assert.InRange(DateTime.UtcNow - File.GetLastWriteTimeUtc(folder.PathOf(LastWords.FileName)), TimeSpan.Zero, TimeSpan.FromSeconds(10));
        NothingIsLeft(name);
    }

    [Fact]
    public void RanksEndWithTheirLauncher()
    {
        using var run = Start("orphans", "stall@step:5,rank=0", "run.stall_timeout_seconds=600");
        WaitForRank("orphans", 0);

        run.Signal(SigKill);

        Assert.True(SpinWait.SpinUntil(() => RanksOf("orphans").Count == 0, Ending), $"still there: {string.Join(", ", RanksOf("orphans"))}");
        Assert.Contains("the launcher, process", LastWordsOf("orphans"), StringComparison.Ordinal);
    }

    private ProgramRun Fails(string name, string fault, params string[] settings)
    {
        using var run = Start(name, fault, settings);
        run.WaitFor(ExitCode.Failed);
        return run;
    }

    private ProgramRun Start(string name, string fault, params string[] settings) => Launch([], name, fault, settings);

    private ProgramRun Launch(string[] launcher, string name, string fault, params string[] settings)
        => ProgramRun.StartFile(MpiRun.Launcher.Program,
        [
            "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-np", "4", "--mca", "btl_vader_single_copy_mechanism", "none", "--mca",
            "mpi_yield_when_idle", "1", "-x", "TERM=dumb", "-x", $"KVSHIFT_INJECT={fault}", .. launcher, "dotnet", ProgramRun.KvShift,
            .. fixture.TrainArguments(name, ["run.validate_every=0", "run.checkpoint_every=0", "run.sample_prompt=\"\"",
                $"run.stall_timeout_seconds={Bound}", .. settings]),
        ]);

    private string LastWordsPathOf(string name) => fixture.RunOf(name).PathOf(LastWords.FileName);

    private string LastWordsOf(string name) => File.ReadAllText(LastWordsPathOf(name));

    // By the product's own times: the last step that was logged is the last progress, and nothing here waits for a process to start or to end.
    private void ReportCameInTime(string name)
    {
        var run = fixture.RunOf(name);
        var took = File.GetLastWriteTimeUtc(run.PathOf(LivenessFolder.ReportName)) - File.GetLastWriteTimeUtc(run.PathOf("metrics.jsonl"));
        output.WriteLine($"{name}: the report came {took} after the last step");
        Assert.InRange(took, TimeSpan.Zero, TimeSpan.FromSeconds(Bound) + Margin);
    }

    // The process of a rank that has come to a step.
    private int WaitForRank(string name, int rank, long step = 1)
    {
        var path = new LivenessFolder(fixture.RunOf(name).Path).HeartbeatOf(rank);
        (int ProcessId, long Step) found = default;
        Assert.True(SpinWait.SpinUntil(() =>
        {
            Thread.Sleep(20);
            if (!File.Exists(path))
            {
                return false;
            }

            using var heartbeat = JsonDocument.Parse(File.ReadAllBytes(path));
            found = (heartbeat.RootElement.GetProperty("process_id").GetInt32(), heartbeat.RootElement.GetProperty("step").GetInt64());
            return found.Step >= step;
        }, ProgramRun.Patience), $"{path} has no step {step} after {ProgramRun.Patience}");
        return found.ProcessId;
    }

    private static void NothingIsLeft(string name)
        => Assert.True(SpinWait.SpinUntil(() => RanksOf(name).Count == 0, Ending), $"still there: {string.Join(", ", RanksOf(name))}");

    // Processes whose command line has the run, and which are no zombies.
    private static List<int> RanksOf(string name)
    {
        var found = new List<int>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var process))
            {
                continue;
            }

            try
            {
                if (File.ReadAllText(Path.Combine(folder, "cmdline")).Contains($"\0run.name={name}\0", StringComparison.Ordinal))
                {
                    found.Add(process);
                }
            }
            catch (IOException)
            {
                // It ended while we looked.
            }
        }
        return found;
    }

    private static void Signal(int process, int number)
    {
        using var kill = Process.Start("kill", [$"-{number}", process.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
        Assert.Equal(0, kill.ExitCode);
    }
}
