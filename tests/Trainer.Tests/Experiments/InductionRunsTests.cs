using KvShiftScale.Models.Configuration;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Experiments.Induction;
using KvShiftScale.Trainer.Signals;

namespace KvShiftScale.Trainer.Tests.Experiments;

public sealed class InductionRunsTests
{
    private static readonly InductionRun[] Runs = [.. (InductionPreset.Studies(InductionPreset.Quick, [KvShiftVariant.Kv])[0] with
    {
        Arms = [InductionArm.KvOneLayer, InductionArm.VanillaTwoLayers],
        MainWidth = 8,
        OtherWidths = [],
        Seeds = 2,
        Steps = 4,
        EvaluateEvery = 2,
        EvaluationSequences = 128,
    }).Runs()];

    [Fact]
    public void TwoRanksShareTheRunsTheLongestFirst()
    {
        using var folder = new TemporaryFolder();
        var (first, second) = (new InductionRuns(folder.Path, Runs), new InductionRuns(folder.Path, Runs));
        first.Prepare();

        // In turns, as two ranks of equal speed would.
        using var one = first.Claim().GetEnumerator();
        using var two = second.Claim().GetEnumerator();
        var order = new List<InductionRun>();
        while (one.MoveNext())
        {
            order.Add(one.Current);
            if (two.MoveNext())
            {
                order.Add(two.Current);
            }
        }

        Assert.Equal(Runs.Select(run => run.Id).Order(), order.Select(run => run.Id).Order());
        Assert.Equal([2, 2, 1, 1], order.Select(run => run.Arm.Layers));
    }

    [Fact]
    public void FinishedRunsStayAndThoseOfOtherSettingsGo()
    {
        using var folder = new TemporaryFolder();
        using var stop = new StopSignal(_ => { });
        var runs = new InductionRuns(folder.Path, Runs);
        runs.Prepare();
        foreach (var run in runs.Claim().Take(3))
        {
            runs.Save(run, new InductionTraining(stop).Execute(run, _ => { })!);
        }

        Assert.Equal(3, runs.CountDone());

        // As after a kill: the claims of the last launch are void, its results are not.
        var again = new InductionRuns(folder.Path, Runs);
        Assert.Equal(3, again.Prepare());
        Assert.Single(again.Claim());

        InductionRun[] others = [.. Runs.Select(run => run with { Study = run.Study with { LearningRate = 1e-3 } })];
        Assert.Equal(0, new InductionRuns(folder.Path, others).Prepare());
        Assert.Equal(4, new InductionRuns(folder.Path, others).Claim().Count());
    }

    [Fact]
    public void AResultDependsOnItsRunAloneAndSurvivesTheDisk()
    {
        using var folder = new TemporaryFolder();
        using var stop = new StopSignal(_ => { });
        var (run, other) = (Runs[0], Runs[1]);
        var training = new InductionTraining(stop);
        var alone = training.Execute(run, _ => { })!;
        training.Execute(other, _ => { });
        var after = training.Execute(run, _ => { })!;
        var path = folder.PathOf("result.json");
        InductionResultFile.Write(path, after);
        var read = InductionResultFile.Read(path, run.Settings)!;

        Assert.Equal([0, 2, 4], alone.Curve.Select(point => point.Step));
        Assert.Equal(alone.Curve, after.Curve);
        Assert.Equal(alone.Curve, read.Curve);
        Assert.Equal(alone.Scalars["model.layers.0.self_attn.k_shift"], read.Scalars["model.layers.0.self_attn.k_shift"]);
        Assert.Equal(run.Arm, read.Arm);
        Assert.NotEqual(alone.Curve, training.Execute(other, _ => { })!.Curve);
        Assert.Null(InductionResultFile.Read(path, other.Settings));
    }

    [Fact]
    public void MicroBatchesOfAnotherSizeTrainTheSame()
    {
        using var stop = new StopSignal(_ => { });
        var (whole, parts) = (Runs[0], Runs[0] with { Study = Runs[0].Study with { MicroBatch = 32 } });

        var (one, four) = (new InductionTraining(stop).Execute(whole, _ => { })!, new InductionTraining(stop).Execute(parts, _ => { })!);

        // The order of float32 sums differs; over four steps that is a few units in the last place.
        for (var i = 1; i < one.Curve.Count; i++)
        {
            Assert.Equal(one.Curve[i].Loss!.Value, four.Curve[i].Loss!.Value, 1e-5);
        }

        Assert.Equal(one.Curve[0].Accuracy, four.Curve[0].Accuracy);
    }

    [Fact]
    public void PaperPresetHasThePapersSizes()
    {
        var study = InductionPreset.Studies(InductionPreset.Paper, [KvShiftVariant.Kv]).Single();
        var run = study.Runs().First();

        Assert.Equal((8000, 512, 512), (study.Task.VocabularySize, study.Task.Candidates, study.Task.Context));
        Assert.Equal((4096, 2e-4, 1000), (study.Batch, study.LearningRate, study.WarmupSteps));
        Assert.Equal((1024, 8), (run.Model.HiddenSize, run.Model.Heads));
        // The paper's "about 20M" without embeddings, for two layers.
        Assert.InRange(ModelCost.NonEmbeddingParameters(run.Model with { Layers = 2, KvShift = KvShiftVariant.None }), 20e6, 22e6);
        Assert.Equal(8, study.Runs().Min(candidate => candidate.Width));
    }

    [Theory]
    [InlineData(8, 24)]
    [InlineData(16, 48)]
    [InlineData(32, 88)]
    [InlineData(64, 176)]
    [InlineData(1024, 2736)]
    public void FeedForwardIsEightThirdsRoundedUp(int width, int feedForward)
        => Assert.Equal(feedForward, (Runs[0] with { Width = width }).Model.FfnSize);
}
