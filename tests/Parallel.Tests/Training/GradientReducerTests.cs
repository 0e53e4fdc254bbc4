using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Gradients;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Testing;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Tests.Training;

public sealed class GradientReducerTests
{
    [Fact]
    public void AloneItKeepsGradientsAndZeroesWhatNoForwardPassUsed()
    {
        using var scope = NewDisposeScope();
        using var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), bucketBytes: 1024);
        var used = parameters.Create("used", weightDecay: true, 2);
        var unused = parameters.Create("unused", weightDecay: true, 2);
        used.Accumulate(TensorValues.Make(ScalarType.Float32, [2], 1, 2));
        unused.Accumulate(TensorValues.Make(ScalarType.Float32, [2], 8, 9));
        parameters.BeginStep();
        used.Accumulate(TensorValues.Make(ScalarType.Float32, [2], 3, 4));

        new GradientReducer(parameters, ProcessGroup.Solo("data")).Reduce();

        Assert.Equal([3, 4], TensorValues.Of(used.Gradient));
        Assert.Equal([0, 0], TensorValues.Of(unused.Gradient));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void RanksSumTheirGradientsBucketByBucket(int ranks)
        => MpiRun.Execute(ranks, "KvShiftScale.RankProgram.dll", ["gradients"]);

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void ReductionFromWithinBackwardGivesTheSameBits(int ranks) => MpiRun.Execute(ranks, "KvShiftScale.RankProgram.dll", ["overlap"]);

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void GradientsLieInMemoryThatRanksShareAsLongAsTheyAreReduced(int ranks) => MpiRun.Execute(ranks, "KvShiftScale.RankProgram.dll", ["shared-gradients"]);

    [Fact]
    public void AFailureOfTheCommunicationThreadComesOutOfTheStep() => MpiRun.Execute(2, "KvShiftScale.RankProgram.dll", ["overlap-failure"]);

    [Fact]
    public void ReductionBesideBackwardBearsRanksThatCompareTheirCollectives() => MpiRun.Execute(2, "KvShiftScale.RankProgram.dll", ["overlap-checked"]);

    [Theory]
    [InlineData("overlap-life")]
    [InlineData("overlap-many")]
    public void NothingIsLeftOfReducersAndNothingGrows(string scenario) => MpiRun.Execute(2, "KvShiftScale.RankProgram.dll", [scenario]);

    [Fact]
    public void WithoutSharedMemoryTheRanksGoThroughMpi() => MpiRun.Execute(2, "KvShiftScale.RankProgram.dll", ["overlap-without-memory"]);

    [Fact]
    public void AnMpiForOneThreadAtATimeHasTheComputingThreadReduce() => MpiRun.Execute(2, "KvShiftScale.RankProgram.dll", ["overlap-without-threads"]);

    // The thread waits for the other rank in a started collective, and in the comparison before it, which cannot be left.
    [Theory]
    [InlineData("overlap-abandoned")]
    [InlineData("overlap-abandoned-checked")]
    public void AReductionThatOthersNeverJoinIsGivenUp(string scenario) => MpiRun.Execute(2, "KvShiftScale.RankProgram.dll", [scenario], exitCode: 3);
}
