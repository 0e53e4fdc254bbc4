using KvShiftScale.Core;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Liveness;

namespace KvShiftScale.Trainer.Tests.EndToEnd.Failures;

/// <summary>A run's folder that takes nothing more while training goes on, or does not.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class FullFolderTests(TrainingFixture fixture)
{
    private static readonly string[] OwnMounts = Environment.UserName == "root" ? ["unshare", "--mount"] : ["unshare", "--mount", "--map-root-user"];

    // Room for a page of the log, which the disk fills in the middle of a line, until it is said that it is full.
    [Fact]
    public void LinesOfTheLogWaitForRoom()
    {
        const string Script =
            """
            mkdir -p "$1"; cd "$1"; shift
            mount -t tmpfs -o size=16m none .; cd "$PWD"
            ("$@"; echo "code $?") > ../full-output 2>&1 &
            until [ -s metrics.jsonl ]; do sleep 0.02; done
            head -c 20m /dev/zero > filler 2> /dev/null
            until grep -q "Training goes on" ../full-output || ! kill -0 $!; do sleep 0.02; done
            tail -c 1 metrics.jsonl | od -An -c
            rm filler; wait; cat ../full-output; cat metrics.jsonl > ../full-metrics.jsonl
            """;
        var run = fixture.RunOf("full-log");
        // A second each, so that the disk fills while there are lines to come, and has room before they end.
        using var process = ProgramRun.StartFile("env",
        [
            "KVSHIFT_INJECT=linger@step:3; linger@step:18; linger@step:19; linger@step:20", .. OwnMounts, "bash", "-c", Script, "bash", run.Path, "dotnet",
            ProgramRun.KvShift, .. fixture.TrainArguments("full-log", "run.checkpoint_every=0"),
        ]);
        process.WaitFor(0);

        Assert.StartsWith("  \\n", process.Output, StringComparison.Ordinal);
        Assert.EndsWith("code 0\n", process.Output, StringComparison.Ordinal);
        Assert.Single(process.Output.Split('\n'), line => line.Contains("metrics.jsonl cannot be written: ", StringComparison.Ordinal));
        Assert.DoesNotContain("are lost", process.Output, StringComparison.Ordinal);
        Directory.CreateDirectory(run.Path);
        File.Move(Path.Combine(fixture.RunsPath, "full-metrics.jsonl"), run.PathOf("metrics.jsonl"));
        run.AssertSameCurve(fixture.OneRank, 0);
    }

    [Fact]
    public void AStepThatCannotBeNotedIsToldAndTrainingGoesOn()
    {
        // The first line that is written is the one about the step, which is left out; its record in the log follows.
        using var faults = new InjectedEnvironment("poison@batch:2; throw@line.write:2");
        using var process = ProgramRun.Execute(ExitCode.Done, fixture.TrainArguments("unnoted", "run.validate_every=0"));

        Assert.Contains("step 2 is missing from skipped.jsonl: injected fault at line.write", process.Output + process.Error, StringComparison.Ordinal);
        Assert.Equal(20, fixture.RunOf("unnoted").Records.Count);
    }

    // No rank learns anything of another.
    [Fact]
    public void ALaunchThatStandsStillEndsWhereItsFolderCannotBeWritten()
    {
        using var faults = new InjectedEnvironment("throw@liveness.write; stall@step:5,rank=1");
        var output = MpiRun.Execute(2, ProgramRun.KvShift, fixture.TrainArguments("blind", "run.validate_every=0", "run.stall_timeout_seconds=2"), ExitCode.Failed);

        Assert.Matches(@"kvshift \(rank \d\): phase \w+, step 5: no progress for \d+ s, and the run's folder, by which ranks see each other, cannot be used "
            + @"\(injected fault at liveness\.write\); the rank ends", output);
        Assert.Empty(Directory.GetFiles(fixture.RunOf("blind").PathOf(LivenessFolder.Name)));
    }
}
