namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>The same global batch on one rank and on two, over documents of uneven lengths.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class LayoutTests(TrainingFixture fixture)
{
    [Fact]
    public void TwoRanksTrainAsOneDoes()
    {
        Assert.Equal(TrainingFixture.Steps, fixture.OneRank.Records.Count);
        // ln 300 before the first update, and something learnt after the last.
        Assert.InRange(fixture.OneRank.Records[0].Loss, 5.6, 5.8);
        Assert.InRange(fixture.OneRank.Last.Loss, 1, 5);
        fixture.TwoRanks.AssertSameCurve(fixture.OneRank, 1e-4);
    }

    [Fact]
    public void InDoublePrecisionTheyAgreeToTenDigits()
    {
        var one = fixture.Train("fp64-one-rank", "precision=fp64");
        var two = fixture.TrainOnTwoRanks("fp64-two-ranks", "precision=fp64");

        two.AssertSameCurve(one, 1e-10);
        // Neither is a float32 run under another name.
        Assert.NotEqual(fixture.OneRank.Last.Loss, one.Last.Loss);
    }

    [Fact]
    public void LibtorchsOperationsTrainAsTheKernelsDo()
    {
        var composed = fixture.Train("composed", "run.kernels=composed");

        composed.AssertSameCurve(fixture.OneRank, 1e-4);
        // They round in other places, which losses of so small a model, in float32, need not show.
        Assert.NotEqual(fixture.OneRank.Records.Select(record => record.GradNorm), composed.Records.Select(record => record.GradNorm));
    }

    [Fact]
    public void MicroBatchesOfAnotherSizeTrainTheSame()
        => fixture.Train("micro-batch", "data.micro_batch=4").AssertSameCurve(fixture.OneRank, 1e-4);
}
