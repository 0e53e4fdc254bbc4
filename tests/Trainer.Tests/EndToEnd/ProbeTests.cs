using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Shards;
using KvShiftScale.Models;
using KvShiftScale.Models.Probing;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Trainer.Training;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>Probes look at a run and leave it as it is.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class ProbeTests(TrainingFixture fixture)
{
    [Fact]
    public void ARunWithProbesHasTheBitsOfTheRunWithout()
    {
        var run = fixture.Train("probes", "run.probe_every=7");

        run.AssertSameCurve(fixture.OneRank, tolerance: 0);
        Assert.Equal(fixture.OneRank.Records.Select(record => record.ValidationLoss), run.Records.Select(record => record.ValidationLoss));
        Assert.Equal(fixture.OneRank.Tensors(TrainingFixture.Steps), run.Tensors(TrainingFixture.Steps));

        // Every seventh step, and the last.
        Assert.Equal([7L, 14L, 20L], run.Records.Where(record => record.Probe is not null).Select(record => record.Step));
        Assert.All(fixture.OneRank.Records, record => Assert.Null(record.Probe));
        Assert.Contains("Induction", File.ReadAllText(run.PathOf("report.html")), StringComparison.Ordinal);
        Assert.DoesNotContain("Induction", File.ReadAllText(fixture.OneRank.PathOf("report.html")), StringComparison.Ordinal);
    }

    [Fact]
    public void TwoRanksProbeAsOneDoesAndStayInStep()
    {
        var one = fixture.Train("probes-fp64", "precision=fp64", "run.probe_every=10");
        var two = fixture.TrainOnTwoRanks("probes-fp64-two-ranks", "precision=fp64", "run.probe_every=10");

        // As the losses of the two layouts.
        two.AssertSameCurve(one, 1e-10);
        foreach (var (expected, found) in Probes(one).Zip(Probes(two)))
        {
            Assert.Equal(expected.Accuracy, found.Accuracy);
            Assert.Equal(expected.SecondCopyLoss, found.SecondCopyLoss, 1e-9);
            foreach (var (a, b) in expected.Layers.Zip(found.Layers))
            {
                // Rounded to float32.
                foreach (var (x, y) in a.PrefixMatching.Zip(b.PrefixMatching))
                {
                    Assert.Equal(x, y, 2e-7f);
                }

                Assert.Equal(4, b.Copying.Count);
                Assert.Equal(2, b.KeyShift!.Count);
            }
        }
    }

    [Fact]
    public void TheLastProbeIsThatOfTheCheckpoint()
    {
        var run = fixture.Train("probes-last", "precision=fp64", "run.probe_every=20");
        var checkpoint = run.Checkpoint(TrainingFixture.Steps);
        var description = ModelDescription.Read(checkpoint);
        using var model = new KvShiftTransformer(description.Model, new ParameterBuckets(ComputeDevice.Host(ScalarType.Float64), 1 << 20), description.Context);
        InitialModel.Load(checkpoint, model);
        var ids = FrequentIds.Of(ShardCatalog.Open([new DataSource(fixture.TrainingShard)]), model.Config.VocabSize, most: 1024);

        var scores = new InductionProbe(model, ids).Run();

        var logged = Assert.Single(Probes(run));
        // The checkpoint holds all bits of the float64 weights, and the probe is deterministic.
        Assert.Equal(scores.SecondCopyLoss, logged.SecondCopyLoss, 1e-12);
        Assert.Equal(scores.Layers.SelectMany(layer => layer.Copying), logged.Layers.SelectMany(layer => layer.Copying));
    }

    private static List<InductionScores> Probes(TrainedRun run) => [.. run.Records.Where(record => record.Probe is not null).Select(record => record.Probe!.Scores)];
}
