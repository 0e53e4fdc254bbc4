using System.Diagnostics;
using KvShiftScale.Core;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Launch;

namespace KvShiftScale.Trainer.Tests.EndToEnd.Failures;

/// <summary>
/// A signal to stop is answered whatever a launch is doing: until it has made a step it ends, later it says so. The thread that trains is held at the moment in
/// question and never gets on, so that nothing but the signal itself can have ended it.
/// </summary>
[Collection(nameof(EndToEndGroup))]
public sealed class SignalPhaseTests(TrainingFixture fixture)
{
    private const int SigInt = 2;

    // A second on a machine with nothing else to do; this one may be busy. Without an answer it is for ever.
    private static readonly TimeSpan Answer = TimeSpan.FromSeconds(4);

    [Theory]
    [InlineData("start.verb")]
    [InlineData("start.configuration")]
    [InlineData("start.libraries")]
    [InlineData("start.mpi")]
    [InlineData("start.watch")]
    [InlineData("start.shards")]
    [InlineData("start.counting")]
    [InlineData("start.model")]
    [InlineData("start.checkpoint")]
    [InlineData("start.peak")]
    [InlineData("validation.batch")]
    [InlineData("step:1")]
    public void BeforeTheFirstStepTheLaunchEnds(string point)
    {
        var name = $"held-{point.Replace(':', '-')}";
        using var faults = new InjectedEnvironment($"hold@{point}");
        // What a shell has put into the background ignores Ctrl-C, and so does what it starts.
        using var run = ProgramRun.StartFile("env", ["--default-signal=INT", "dotnet", ProgramRun.KvShift, .. fixture.TrainArguments(name)]);
        WaitUntilHeld(run);

        var started = Stopwatch.GetTimestamp();
        run.Signal(point.Length % 2 == 0 ? ProgramRun.SigTerm : SigInt);
        run.WaitFor(ExitCode.Stopped);

        Assert.True(Stopwatch.GetElapsedTime(started) < Answer, $"it took {Stopwatch.GetElapsedTime(started)}");
        Assert.Contains("stopped by a signal before training", run.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(RunLock.PathIn(fixture.RunOf(name).Path)));
        Assert.False(Directory.Exists(fixture.RunOf(name).PathOf("checkpoints")));
    }

    [Theory]
    [InlineData("step:3", "a signal to stop has come in step 3; the run saves after it and leaves")]
    [InlineData("save:1", "a signal to stop has come; the run leaves when it is saved")]
    [InlineData("end.report", "a signal to stop has come; the run is saved, and leaves when its report is written")]
    public void LaterItSaysThatItWill(string point, string told)
    {
        var name = $"told-{point.Replace(':', '-')}";
        using var faults = new InjectedEnvironment($"hold@{point}");
        using var run = ProgramRun.Start(fixture.TrainArguments(name));
        WaitUntilHeld(run);

        run.Signal(ProgramRun.SigTerm);
        run.Signal(ProgramRun.SigTerm);

        Assert.True(SpinWait.SpinUntil(() => run.Output.Contains(told, StringComparison.Ordinal), Answer), run.Output + run.Error);
        Assert.Single(run.Output.Split('\n'), line => line.Contains("a signal to stop", StringComparison.Ordinal));
        Assert.False(run.HasEnded);
    }

    [Fact]
    public void ALaunchThatWaitsForAnotherEnds()
    {
        using var other = new RunLock(fixture.RunOf("locked").Path);
        Assert.Null(other.TryTake());
        // One that a script has started waits for three minutes.
        using var run = ProgramRun.StartFile("env", ["KVSHIFT_LAUNCH=waiting", "dotnet", ProgramRun.KvShift, .. fixture.TrainArguments("locked")]);
        Assert.True(SpinWait.SpinUntil(() => run.Error.Contains("is in use by", StringComparison.Ordinal), ProgramRun.Patience), run.Error);

        var started = Stopwatch.GetTimestamp();
        run.Signal(ProgramRun.SigTerm);
        run.WaitFor(ExitCode.Stopped);

        Assert.True(Stopwatch.GetElapsedTime(started) < Answer, $"it took {Stopwatch.GetElapsedTime(started)}");
        Assert.True(File.Exists(RunLock.PathIn(fixture.RunOf("locked").Path)), "the lock of the launch that holds it is gone");
    }

    // Ranks that wait for one that is held, in MPI or out of it; the signal comes to the one that waits, or is handed on.
    [Theory]
    [InlineData("hold@start.mpi,rank=1")]
    [InlineData("hold@start.model,rank=1")]
    [InlineData("hold@validation.batch,rank=0")]
    public void AllRanksEnd(string fault)
    {
        using var faults = new InjectedEnvironment(fault);
        var name = $"held-ranks-{fault.Length}-{fault[^1]}";
        using var run = ProgramRun.StartFile("mpirun", [.. MpiRun.ArgumentsOf(2, ProgramRun.KvShift, fixture.TrainArguments(name))]);
        WaitUntilHeld(run);

        var started = Stopwatch.GetTimestamp();
        run.Signal(ProgramRun.SigUsr2);
        run.WaitFor(ExitCode.Stopped);

        // mpirun itself takes a second or two to end.
        Assert.True(Stopwatch.GetElapsedTime(started) < 2 * Answer, $"it took {Stopwatch.GetElapsedTime(started)}");
        Assert.Contains("stopped by a signal before", run.Output + run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("died", run.Output + run.Error, StringComparison.Ordinal);
    }

    // Verbs that have nothing to save, with their main thread held or in the middle of their work.
    [Theory]
    [InlineData("eval --model MODEL --data DATA")]
    [InlineData("generate --model MODEL --prompt the")]
    [InlineData("model convert --model MODEL --output ROOT/signal-converted")]
    [InlineData("data verify DATA")]
    [InlineData("checkpoint verify MODEL")]
    public void OtherVerbsEnd(string arguments)
    {
        string[] resolved = [.. arguments.Split(' ').Select(word => word.Replace("ROOT", fixture.PathOf(), StringComparison.Ordinal)
            .Replace("MODEL", fixture.ModelPath, StringComparison.Ordinal).Replace("DATA", fixture.ValidationShard, StringComparison.Ordinal))];
        using var faults = new InjectedEnvironment("hold@start.verb");
        using var run = ProgramRun.Start(resolved);
        WaitUntilHeld(run);

        EndsAtOnce(run, "SIGTERM", ExitCode.OfSignal(ProgramRun.SigTerm), ProgramRun.SigTerm);
        Assert.False(Directory.Exists(fixture.PathOf("signal-converted")));
    }

    [Theory]
    [InlineData("data prepare --tokenizer ROOT/tokenizer --output ROOT/signal-data --shard-tokens 100000", "signal-data")]
    [InlineData("tokenizer train --vocab-size 4000 --output ROOT/signal-tokenizer", "signal-tokenizer")]
    public void LongWorkEndsAndLeavesNothingHalfWrittenUnderItsName(string arguments, string output)
    {
        var text = fixture.PathOf("long.txt");
        if (!File.Exists(text))
        {
            // Words that no two lines share: merges and shards that take their time.
            var random = new Random(4);
            using var writer = new StreamWriter(text);
            for (var line = 0; line < 400_000; line++)
            {
                writer.WriteLine(string.Join(' ', Enumerable.Range(0, 12).Select(_ => random.NextInt64(1 << 24).ToString("x", System.Globalization.CultureInfo.InvariantCulture))));
            }
        }
        using var run = ProgramRun.Start([.. arguments.Split(' ').Select(word => word.Replace("ROOT", fixture.PathOf(), StringComparison.Ordinal)), "--input", text]);
        Thread.Sleep(1500);
        Assert.False(run.HasEnded, run.Error);

        EndsAtOnce(run, "SIGINT", ExitCode.OfSignal(SigInt), SigInt);

        var left = Directory.Exists(fixture.PathOf(output)) ? Directory.GetFiles(fixture.PathOf(output)).Select(path => Path.GetFileName(path)!).ToArray() : [];
        Assert.DoesNotContain("tokenizer.json", left);
        foreach (var shard in left.Where(name => name.EndsWith(".parquet", StringComparison.Ordinal)))
        {
            ProgramRun.Execute(ExitCode.Done, "data", "verify", fixture.PathOf(output, shard)).Dispose();
        }
    }

    // The verb that has started ranks is killed: they and mpirun end.
    [Fact]
    public void RanksOfAnExperimentEndWithIt()
    {
        using var folder = new TemporaryFolder();
        using var run = ProgramRun.Start("experiment", "induction", "--output", folder.Path, "--ranks", "2", "--steps", "1000000");
        Assert.True(SpinWait.SpinUntil(() => Directory.Exists(folder.PathOf(".claims")) && Directory.GetFiles(folder.PathOf(".claims")).Length == 2,
            ProgramRun.Patience), run.Output + run.Error);
        Assert.NotEmpty(ProcessesOf(folder.Path));

        run.KillAlone();

        Assert.True(SpinWait.SpinUntil(() => ProcessesOf(folder.Path).Length == 0, TimeSpan.FromSeconds(5)), $"still there after 5 s: {string.Join(' ', ProcessesOf(folder.Path))}");
    }

    private static void EndsAtOnce(ProgramRun run, string signal, int exitCode, int number)
    {
        var started = Stopwatch.GetTimestamp();
        run.Signal(number);
        run.WaitFor(exitCode);

        Assert.True(Stopwatch.GetElapsedTime(started) < Answer, $"it took {Stopwatch.GetElapsedTime(started)}");
        Assert.Contains($"kvshift: ended by {signal}", run.Error, StringComparison.Ordinal);
    }

    private static void WaitUntilHeld(ProgramRun run)
        => Assert.True(SpinWait.SpinUntil(() => (run.Output + run.Error).Contains("held at ", StringComparison.Ordinal) || run.HasEnded, ProgramRun.Patience) && !run.HasEnded,
            run.Output + run.Error);

    private static string[] ProcessesOf(string text) => [.. Directory.GetDirectories("/proc").Select(path => Path.GetFileName(path)!).Where(name => char.IsAsciiDigit(name[0])
        && name != $"{Environment.ProcessId}" && CommandOf(name).Contains(text, StringComparison.Ordinal))];

    private static string CommandOf(string process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/cmdline");
        }
        catch (IOException)
        {
            return "";
        }
    }
}
