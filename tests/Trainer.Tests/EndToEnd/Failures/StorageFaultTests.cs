using KvShiftScale.Checkpoints.Verification;
using KvShiftScale.Core;
using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.EndToEnd.Failures;

/// <summary>
/// Saves that fail while training goes on: the checkpoint before stays the newest and good, all ranks end with exit code 1 and a message
/// that says what to do, and once the fault is gone the run ends with the bits of one that never met it.
/// </summary>
[Collection(nameof(EndToEndGroup))]
public sealed class StorageFaultTests(TrainingFixture fixture)
{
    private const int SavedBefore = 16;

    // A save after each second step; at the first that fails the run ends.
    private static readonly string[] Settings = ["run.checkpoint_every=2", "run.keep_checkpoints=9", "run.failed_saves=0", "run.validate_every=0"];

    // Mounts that nobody else sees and that are gone with the script.
    private static readonly string[] OwnMounts = Environment.UserName == "root" ? ["unshare", "--mount"] : ["unshare", "--mount", "--map-root-user"];

    [Fact]
    public void AFullDiskEndsTheRunAndRoomLetsItGoOn()
    {
        var run = Interrupted("full-disk");
        // Room for a little more than what is there, then for all that comes.
        const string Script =
            """
            cd "$1/checkpoints"; shift; cp -a . ../kept
            size=$(du -sk . | cut -f1)
            mount -t tmpfs -o size=$((size + size / 2))k none .; cd "$PWD"; cp -a ../kept/. .
            "$@"; echo "code $?"; echo "latest $(cat latest)"; ls -A
            mount -o remount,size=64m .
            "$@"; echo "code $?"; cp -a . ../after
            """;

        var output = WithOwnMounts(Script, run, OneRank(run));

        Assert.Contains($"the checkpoint of step 18 could not be saved", output);
        Assert.Contains($"{run.PathOf("checkpoints", ".step-00000018.partial", TrainedRun.FirstRankFile)}", output);
        Assert.Contains($"The newest checkpoint is still {run.Checkpoint(SavedBefore)}", output);
        Assert.Contains("Make room or mend the folder", output);
        Assert.Contains("code 1\nlatest step-00000016\nlatest\nstep-00000016\n", output);
        Assert.Contains("going on from the checkpoint of step 16", output);
        Assert.EndsWith("code 0\n", output);
        run.AssertSameCurve(fixture.OneRank, 0);
        Assert.Equal(fixture.OneRank.Tensors(20), CheckpointAssembly.Read(run.PathOf("after", TrainedRun.NameOf(20))));
    }

    [Fact]
    public void AFolderThatMayOnlyBeReadEndsTheRun()
    {
        var run = Interrupted("read-only");
        const string Script =
            """
            cd "$1/checkpoints"; shift
            mount --bind . .; cd "$PWD"; mount -o remount,ro,bind .
            "$@"; echo "code $?"; echo "latest $(cat latest)"
            mount -o remount,rw,bind .
            "$@"; echo "code $?"
            """;

        var output = WithOwnMounts(Script, run, OneRank(run));

        Assert.Contains("the checkpoint of step 18 could not be saved: ", output);
        Assert.Contains("Read-only file system", output);
        Assert.Contains(run.PathOf("checkpoints", ".step-00000018.partial"), output);
        Assert.Contains("code 1\nlatest step-00000016\n", output);
        Assert.EndsWith("code 0\n", output);
        EndsAsIfNothingHadBeen(run);
    }

    [Fact]
    public void AnErrorOfOneRankEndsAllAndNamesIt()
    {
        var run = Interrupted("error-of-one");

        var output = Faulty("throw@file.flush:1,rank=1", ExitCode.Failed, run, "run.failed_saves=0");

        Assert.Contains($"the checkpoint of step 18 could not be saved: rank 1 on {Environment.MachineName}: injected fault at file.flush", output);
        StaysAsItWas(run);
        fixture.TrainOnTwoRanks("error-of-one", Settings);
        run.AssertSameCurve(fixture.OneRank, 1e-4);
    }

    [Fact]
    public void AFileThatNobodyEverSeesIsNamedWithItsRank()
    {
        var run = Interrupted("lost-file");

        var output = Faulty("lose@checkpoint.part:1,rank=1", ExitCode.Failed, run, "run.visibility_seconds=0.5");

        Assert.Contains($"{run.PathOf("checkpoints", ".step-00000018.partial", "rank-00001.part")}, which rank 1 has written, is not to be seen in full after 0.5 s", output);
        StaysAsItWas(run);
    }

    [Fact]
    public void AFolderThatSomebodyDeletesMeanwhileIsMissed()
    {
        var run = Interrupted("removed");

        var output = Faulty("remove@checkpoint.draft:18,rank=0", ExitCode.Failed, run);

        Assert.Contains($"{run.PathOf("checkpoints", ".step-00000018.partial")} is gone: somebody has deleted or renamed it", output);
        StaysAsItWas(run);
    }

    [Fact]
    public void AFailureIsToldAndTrainingGoesOnToTheNextSave()
    {
        var run = Interrupted("tolerated");

        var output = Faulty("throw@file.flush:1,rank=1", ExitCode.Done, run, "run.failed_saves=1");

        Assert.Contains("warning: the checkpoint of step 18 could not be saved: rank 1", output);
        Assert.Contains("Training goes on without it", output);
        Assert.Equal(["latest", "step-00000016", "step-00000020"], Names(run));
        Assert.Empty(CheckpointVerification.Run(run.Checkpoint(20)));
        run.AssertSameCurve(fixture.OneRank, 1e-4);
    }

    [Fact]
    public void TheLastSaveMayNotFail()
    {
        var run = Interrupted("last-failed");

        var output = Faulty("throw@file.rename,rank=1", ExitCode.Failed, run, "run.failed_saves=9");

        Assert.Contains("warning: the checkpoint of step 18 could not be saved", output);
        Assert.Contains("kvshift: the checkpoint of step 20 could not be saved", output);
        StaysAsItWas(run);
    }

    // A run of 20 steps that has come to the 16th and whose later checkpoints are lost.
    private TrainedRun Interrupted(string name)
    {
        var run = fixture.OneRank.CopyTo(fixture.RunOf(name).Path);
        Directory.Delete(run.Checkpoint(TrainingFixture.Steps), recursive: true);
        Directory.Delete(run.Checkpoint(8), recursive: true);
        File.WriteAllText(run.PathOf("checkpoints", "latest"), TrainedRun.NameOf(SavedBefore) + "\n");
        return run;
    }

    private string[] OneRank(TrainedRun run) => ["dotnet", ProgramRun.KvShift, .. fixture.TrainArguments(Path.GetFileName(run.Path), Settings)];

    // Output of a script with mounts of its own, that is given the run's folder and a command.
    private static string WithOwnMounts(string script, TrainedRun run, string[] command)
    {
        using var process = ProgramRun.StartFile(OwnMounts[0], [.. OwnMounts[1..], "bash", "-c", "exec 2>&1; " + script, "bash", run.Path, .. command]);
        process.WaitFor(0);
        return process.Output;
    }

    private string Faulty(string fault, int exitCode, TrainedRun run, params string[] more)
    {
        var arguments = fixture.TrainArguments(Path.GetFileName(run.Path), [.. Settings, .. more]);
        using var process = ProgramRun.StartFile("env", [$"KVSHIFT_INJECT={fault}", MpiRun.Launcher.Program, .. MpiRun.ArgumentsOf(2, ProgramRun.KvShift, arguments)]);
        process.WaitFor(exitCode);
        return process.Output + process.Error;
    }

    private void EndsAsIfNothingHadBeen(TrainedRun run)
    {
        run.AssertSameCurve(fixture.OneRank, 0);
        Assert.Equal(fixture.OneRank.Tensors(TrainingFixture.Steps), run.Tensors(TrainingFixture.Steps));
    }

    private static void StaysAsItWas(TrainedRun run)
    {
        Assert.Equal("step-00000016\n", File.ReadAllText(run.PathOf("checkpoints", "latest")));
        Assert.Equal(["latest", "step-00000016"], Names(run));
        Assert.Empty(CheckpointVerification.Run(run.Checkpoint(SavedBefore)));
    }

    private static string[] Names(TrainedRun run)
        => [.. Directory.GetFileSystemEntries(run.PathOf("checkpoints")).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];
}
