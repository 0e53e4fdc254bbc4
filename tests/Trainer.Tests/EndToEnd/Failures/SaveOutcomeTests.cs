using KvShiftScale.Checkpoints.Verification;
using KvShiftScale.Core;
using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.EndToEnd.Failures;

/// <summary>
/// The exit code says whether the run is saved: 0 and 75 have a checkpoint of the last step, whatever went wrong on the way, and what goes wrong after
/// it, with older checkpoints or with the report, does not change them.
/// </summary>
[Collection(nameof(EndToEndGroup))]
public sealed class SaveOutcomeTests(TrainingFixture fixture)
{
    // Signals come to their handlers from a thread of their own: before the step goes on they are known.
    private const string SaveFailsAndStopComes = "term@checkpoint.begin:1; linger@checkpoint.begin:1; throw@checkpoint.begin:1";

    [Theory]
    [InlineData(1, true)]
    [InlineData(2, true)]
    [InlineData(1, false)]
    public void ARunThatIsStoppedWhileItsSaveFailsSavesOnceMore(int ranks, bool beside)
    {
        var name = $"stopped-{ranks}-{beside}";
        // Where nothing is written beside training, the save may be over, and have failed, when it returns.
        var fault = beside ? SaveFailsAndStopComes : SaveFailsAndStopComes.Replace("checkpoint.begin", "checkpoint.write");

        var output = Faulty(ranks, fault, ExitCode.Stopped, name, "run.checkpoint_every=8", $"run.async_save={beside}");

        Assert.Contains("warning: the checkpoint of step 8 could not be saved", output);
        Assert.Contains("stopped by a signal after step 8", output);
        Assert.Empty(CheckpointVerification.Run(fixture.RunOf(name).Checkpoint(8)));
    }

    [Fact]
    public void ARunThatCannotBeSavedWhenItIsStoppedSaysSo()
    {
        var output = Faulty(1, "term@checkpoint.begin:1; linger@checkpoint.begin:1; throw@checkpoint.begin", ExitCode.Failed, "stopped-unsaved",
            "run.checkpoint_every=8", "run.failed_saves=9");

        Assert.Contains("kvshift: the checkpoint of step 8 could not be saved", output);
        Assert.DoesNotContain("stopped by a signal", output);
    }

    [Fact]
    public void ASaveThatASignalAsksForInTheLastStepDoesNotStandForTheLastOne()
    {
        var output = Faulty(1, "save@step:20; linger@step:20; throw@checkpoint.begin:1", ExitCode.Done, "asked-in-the-last", "run.checkpoint_every=0");

        Assert.Contains("warning: the checkpoint of step 20 could not be saved", output);
        Assert.DoesNotContain("as a signal asked", output);
        Assert.Empty(CheckpointVerification.Run(fixture.RunOf("asked-in-the-last").Checkpoint(20)));
    }

    [Fact]
    public void OlderCheckpointsThatCannotBeDeletedAreNoFailureOfASave()
    {
        // Each save deletes the rank's note; the third deletion is that of an older checkpoint.
        var output = Faulty(1, "throw@file.delete:3", ExitCode.Done, "not-deleted", "run.checkpoint_every=8", "run.keep_checkpoints=1", "run.failed_saves=0");

        var run = fixture.RunOf("not-deleted");
        Assert.Contains($"warning: {run.Checkpoint(8)} could not be deleted and stays, or what is left of it: injected fault", output);
        // The next save tries again.
        Assert.Equal([run.Checkpoint(20)], Directory.GetDirectories(run.PathOf("checkpoints")));
    }

    [Fact]
    public void AFolderThatCannotBeListedAfterAFailedSaveDoesNotEndTheRun()
    {
        // It is listed first when the launch looks for a checkpoint.
        var output = Faulty(1, "throw@checkpoint.begin:1; throw@folder.list:2", ExitCode.Done, "not-listed", "run.checkpoint_every=8", "run.failed_saves=1");

        Assert.Contains("warning: the checkpoint of step 8 could not be saved: injected fault at checkpoint.begin. "
            + "Which checkpoint is the newest cannot be told (injected fault at folder.list).", output);
    }

    [Fact]
    public void AReportThatCannotBeWrittenChangesNoExitCode()
    {
        var run = fixture.RunOf("no-report");
        Directory.CreateDirectory(run.PathOf("report.html"));

        var output = Faulty(1, "", ExitCode.Done, "no-report");

        Assert.Contains("warning: the run is saved, and its report could not be written in full: ", output);
        Assert.Empty(CheckpointVerification.Run(run.Checkpoint(20)));
    }

    private string Faulty(int ranks, string fault, int exitCode, string name, params string[] settings)
    {
        using var faults = new InjectedEnvironment(fault);
        var arguments = fixture.TrainArguments(name, ["run.validate_every=0", .. settings]);
        if (ranks > 1)
        {
            return MpiRun.Execute(ranks, ProgramRun.KvShift, arguments, exitCode);
        }

        using var process = ProgramRun.Execute(exitCode, arguments);
        return process.Output + process.Error;
    }
}
