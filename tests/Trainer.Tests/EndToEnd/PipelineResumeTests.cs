using System.Text.Json;
using KvShiftScale.Core;
using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>A pipeline that gets a signal in the middle of a step; and a step of it in one process.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class PipelineResumeTests(TrainingFixture fixture)
{
    private const int StepsBefore = 4;
    private const int MicroBatches = 8;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void StoppedWithinAStepItEndsWithTheBitsOfAnUnbrokenRunWhoseStepsAreReplayed(int chunks)
    {
        string[] settings =
        [
            "parallel.pipeline=2", $"parallel.virtual_stages={chunks}", "model.layers=4", $"data.global_batch={MicroBatches}", "data.micro_batch=1", "run.checkpoint_every=0",
        ];
        var unbroken = fixture.TrainOnTwoRanks($"pipeline-{chunks}", settings);
        var name = $"pipeline-{chunks}-stopped";
        // A stage has a pass forward and one backward for each micro-batch and chunk; here some of both are done.
        var pass = (StepsBefore * 2 * MicroBatches * chunks) + (MicroBatches * chunks);
        using (new InjectedEnvironment($"term@pipeline.pass:{pass},rank=1"))
        using (var run = MpiRun.Start(2, ProgramRun.KvShift, fixture.TrainArguments(name, settings)))
        {
            Assert.True(run.WaitForExit() == ExitCode.Stopped, run.Output);
        }

        // Ranks agree on the step after which they stop: this one, or the next.
        Assert.InRange(fixture.RunOf(name).Last.Step, StepsBefore + 1, StepsBefore + 2);
        var resumed = fixture.TrainOnTwoRanks(name, settings);

        resumed.AssertSameCurve(unbroken, 0);
        Assert.Equal(unbroken.Last.ValidationLoss, resumed.Last.ValidationLoss);
        Assert.Equal(unbroken.Tensors(TrainingFixture.Steps), resumed.Tensors(TrainingFixture.Steps));

        // One process has all layers in one piece.
        using var replay = ProgramRun.Execute(ExitCode.Done, "replay", "--step", "5", unbroken.Path);
        using var json = JsonDocument.Parse(replay.LastLine);
        Assert.Equal(unbroken.Records[4].Loss, json.RootElement.GetProperty("loss").GetDouble(), 1e-5);
    }
}
