using KvShiftScale.Core;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.BadNumbers;

namespace KvShiftScale.Trainer.Tests.EndToEnd.Failures;

/// <summary>One bad micro-batch of one rank: all ranks skip the same step, and what comes after does not depend on the layout.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class SkippedStepTests(TrainingFixture fixture)
{
    // Of a global batch of 4: step 6 has rows 20 to 23, and the second of two ranks has this one.
    private const string PoisonedRow = "poison@row:22";
    private const int PoisonedStep = 6;

    private static readonly string[] Settings =
        ["run.steps=10", "run.deterministic=true", "run.validate_every=0", "run.checkpoint_every=1", "run.keep_checkpoints=10", "optimizer.decay=constant"];

    [Fact]
    public void OneBadRowOnOneRankSkipsTheStepOnAllAndNothingElse()
    {
        var (one, two) = (OneRank(), TwoRanks());
        foreach (var run in (TrainedRun[])[one, two])
        {
            Assert.Equal([PoisonedStep], run.Records.Where(record => record.Skipped).Select(record => (int)record.Step));
            Assert.Equal(Enumerable.Repeat(0L, 5).Concat(Enumerable.Repeat(1L, 5)), run.Records.Select(record => record.SkippedSteps));
            Assert.True(double.IsNaN(run.Records[PoisonedStep - 1].Loss));
            Assert.Contains("\"loss\":null", File.ReadAllLines(run.PathOf("metrics.jsonl"))[PoisonedStep - 1], StringComparison.Ordinal);
            // Untouched by the step: parameters and both moments.
            Assert.Equal(run.Tensors(PoisonedStep - 1), run.Tensors(PoisonedStep));
            Assert.NotEqual(run.Tensors(PoisonedStep), run.Tensors(PoisonedStep + 1));
            Assert.Contains("skipped 6", File.ReadAllText(run.PathOf("report.html")), StringComparison.Ordinal);
        }

        // NaN is equal to itself here.
        Assert.Equal(one.Records.Select(record => (record.Step, record.Loss, record.GradNorm, record.Lr, record.Tokens)),
            two.Records.Select(record => (record.Step, record.Loss, record.GradNorm, record.Lr, record.Tokens)));
        Assert.Equal(one.Tensors(10), two.Tensors(10));
    }

    [Fact]
    public void RecordNamesRanksRowsAndDocuments()
    {
        foreach (var (run, rank) in ((TrainedRun, int)[])[(OneRank(), 0), (TwoRanks(), 1)])
        {
            var skipped = Assert.Single(SkippedStepLog.Read(run.PathOf("skipped.jsonl")));

            Assert.Equal((PoisonedStep, StepFault.NonFiniteLoss, "skip", 1), ((int)skipped.Step, skipped.Why, skipped.Action, skipped.InARow));
            Assert.Equal(double.PositiveInfinity, skipped.Loss);
            Assert.False(double.IsFinite(skipped.GradNorm));
            Assert.Equal((20, 4), (skipped.FirstRow, skipped.Rows));
            Assert.Equal([20L, 21, 22, 23], skipped.MicroBatches.Select(batch => batch.FirstRow));
            Assert.Equal([22L], skipped.MicroBatches.Where(batch => batch.NonFiniteOn.SequenceEqual([rank])).Select(batch => batch.FirstRow));
            Assert.All(skipped.MicroBatches.Where(batch => batch.FirstRow != 22), batch => Assert.InRange(batch.Loss, 1, 7));
            var suspect = Assert.Single(skipped.Suspects);
            Assert.Equal((22, 0), (suspect.Row, suspect.Source));
            // A row of 48 targets is made of 49 tokens.
            Assert.Equal(49, suspect.Documents.Sum(document => document.Tokens));
            Assert.All(suspect.Documents, document => Assert.Equal(fixture.TrainingShard, document.File));
        }
    }

    [Fact]
    public void RunThatGoesOnRightAfterTheSkipIsTheSame()
    {
        var name = "resumed-after-skip";
        Train(name, 2, PoisonedRow, "run.steps=6");
        Assert.Equal(PoisonedStep, fixture.RunOf(name).Last.Step);
        var resumed = Train(name, 1, "", []);

        Assert.Equal(OneRank().Tensors(10), resumed.Tensors(10));
        Assert.Equal(OneRank().Records.Select(record => record.Loss), resumed.Records.Select(record => record.Loss));
        Assert.Single(SkippedStepLog.Read(resumed.PathOf("skipped.jsonl")));

        // A launch that goes on from before the skip does it again, once.
        foreach (var checkpoint in Directory.GetDirectories(resumed.PathOf("checkpoints")).Order(StringComparer.Ordinal).Skip(4))
        {
            Directory.Delete(checkpoint, true);
        }

        Train(name, 1, PoisonedRow, []);
        Assert.Single(SkippedStepLog.Read(resumed.PathOf("skipped.jsonl")));
        Assert.Equal(OneRank().Tensors(10), resumed.Tensors(10));
    }

    [Fact]
    public void TheStageWithTheLossMakesAllSkip()
    {
        var run = Train("skip-pipeline", 2, "poison@batch:6,rank=1", "parallel.pipeline=2", "precision=fp64");

        var skipped = Assert.Single(SkippedStepLog.Read(run.PathOf("skipped.jsonl")));
        Assert.Equal((PoisonedStep, StepFault.NonFiniteLoss), ((int)skipped.Step, skipped.Why));
        // The other stage has no loss that could be compared with it.
        Assert.All(skipped.MicroBatches, batch => Assert.Equal([1], batch.Ranks));
        Assert.Equal(run.Tensors(PoisonedStep - 1), run.Tensors(PoisonedStep));
        Assert.True(double.IsFinite(run.Last.Loss));
    }

    [Fact]
    public void OneTensorParallelRankAloneMakesAllSkip()
    {
        var name = "skip-tensor";
        // Its own loss is bad, and its partner's is not.
        var run = Train(name, 2, "poison@batch:6,rank=1", "parallel.tensor=2", "precision=fp64");
        var alone = Train("skip-alone-fp64", 1, "poison@batch:6", "precision=fp64");

        var skipped = Assert.Single(SkippedStepLog.Read(run.PathOf("skipped.jsonl")));
        Assert.Equal(PoisonedStep, skipped.Step);
        Assert.Equal([0, 1], skipped.MicroBatches[0].Ranks);
        Assert.Equal([1], skipped.MicroBatches[0].NonFiniteOn);
        foreach (var (theirs, ours) in alone.Records.Zip(run.Records))
        {
            Assert.Equal(theirs.Skipped, ours.Skipped);
            // The bound of the parity matrix.
            if (!ours.Skipped)
            {
                Assert.Equal(theirs.Loss, ours.Loss, 1e-10 * theirs.Loss);
            }
        }
    }

    [Theory]
    [InlineData("run.deterministic=true")]
    [InlineData("run.deterministic=false", "parallel.optimizer_sharding=none")]
    [InlineData("run.deterministic=false", "parallel.optimizer_sharding=zero1")]
    public void AReducedGradientThatOneReplicaAloneHasWrongMakesAllSkip(params string[] settings)
    {
        var run = Train($"skip-replica-{string.Join('-', settings)}".Replace('=', '-'), 2, "poison@gradient:6,rank=1", settings);

        var skipped = Assert.Single(SkippedStepLog.Read(run.PathOf("skipped.jsonl")));
        Assert.Equal((PoisonedStep, StepFault.NonFiniteGradNorm), ((int)skipped.Step, skipped.Why));
        Assert.Equal(run.Tensors(PoisonedStep - 1), run.Tensors(PoisonedStep));
        Assert.True(double.IsFinite(run.Last.Loss));
    }

    [Fact]
    public void TooManyInARowStopTheRunAndTheCheckpointStays()
    {
        using var faults = new InjectedEnvironment("poison@batch:4;poison@batch:5;poison@batch:6;poison@batch:2");
        var output = MpiRun.Execute(2, ProgramRun.KvShift,
            fixture.TrainArguments("too-many-skips", [.. Settings, "run.max_skips=3", "run.checkpoint_every=3"]), ExitCode.Failed);

        Assert.Contains("3 steps in a row had bad numbers, and run.max_skips is 3", output, StringComparison.Ordinal);
        Assert.Contains("step 5 skipped: the loss is not finite; loss Infinity", output, StringComparison.Ordinal);
        Assert.Contains("kvshift replay --step 4 ", output, StringComparison.Ordinal);
        var run = fixture.RunOf("too-many-skips");
        Assert.Equal([2L, 4, 5, 6], SkippedStepLog.Read(run.PathOf("skipped.jsonl")).Select(skipped => skipped.Step));
        Assert.Equal([1, 1, 2, 3], SkippedStepLog.Read(run.PathOf("skipped.jsonl")).Select(skipped => skipped.InARow));
        Assert.Equal("step-00000003\n", File.ReadAllText(run.PathOf("checkpoints", "latest")));
    }

    [Fact]
    public void SpikeWindowSurvivesAResumeOnAnotherLayout()
    {
        // So low a threshold that the noise of ordinary steps exceeds it.
        string[] spikes = ["run.spike_rule=z_score", "run.spike_window=3", "run.spike_z=0.5", "run.steps=16", "run.checkpoint_every=0", "run.max_skips=16"];
        var unbroken = Train("spikes", 1, "", spikes);
        Train("spikes-broken", 2, "", [.. spikes, "run.steps=7"]);
        var broken = Train("spikes-broken", 1, "", spikes);

        var skipped = unbroken.Records.Where(record => record.Skipped).Select(record => record.Step).ToList();
        Assert.Contains(skipped, step => step > 7);
        Assert.Equal(skipped, broken.Records.Where(record => record.Skipped).Select(record => record.Step));
        Assert.Equal(unbroken.Records.Select(record => (record.Loss, record.GradNorm)), broken.Records.Select(record => (record.Loss, record.GradNorm)));
        Assert.Equal(unbroken.Tensors(16), broken.Tensors(16));
        Assert.All(SkippedStepLog.Read(unbroken.PathOf("skipped.jsonl")), step => Assert.NotNull(step.Threshold));
    }

    private TrainedRun OneRank() => fixture.Shared("skip-one", () => Train("skip-one", 1, PoisonedRow, []));

    private TrainedRun TwoRanks() => fixture.Shared("skip-two", () => Train("skip-two", 2, PoisonedRow, []));

    private TrainedRun Train(string name, int ranks, string faults, params string[] settings)
    {
        using var injected = faults.Length > 0 ? new InjectedEnvironment(faults) : null;
        var arguments = fixture.TrainArguments(name, [.. Settings, .. settings]);
        if (ranks == 1)
        {
            ProgramRun.Execute(ExitCode.Done, arguments).Dispose();
        }
        else
        {
            MpiRun.Execute(ranks, ProgramRun.KvShift, arguments);
        }

        return fixture.RunOf(name);
    }
}
