using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Tests.Training;

public sealed class GradientNormTests
{
    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void SquaresAreOverAllBuckets(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var parameters = new ParameterBuckets(ComputeDevice.Host(dtype), bucketBytes: 16);
        parameters.Create("a", weightDecay: true, 2, 2).Accumulate(TensorValues.Make(dtype, [2, 2], 1, -2, 2, 4));
        parameters.Create("b", weightDecay: true, 5).Accumulate(TensorValues.Make(dtype, [5], 0, 1, 1, 1, -1));
        parameters.Create("c", weightDecay: false, 3).Accumulate(TensorValues.Make(dtype, [3], 6, 6, 0));

        // 25 + 4 + 72 = 101, all exact.
        Assert.Equal(101, GradientNorm.Squares(parameters).item<double>());
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void OneElementThatIsNotFiniteShows(double value)
    {
        using var scope = NewDisposeScope();
        using var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), bucketBytes: 1024);
        parameters.Create("a", weightDecay: true, 3).Accumulate(TensorValues.Make(ScalarType.Float32, [3], 1, value, 1));

        Assert.False(double.IsFinite(GradientNorm.Squares(parameters).item<double>()));
    }

    [Theory]
    [InlineData(4, 1, 0.25)]
    [InlineData(4, 0.5, 0.125)]
    [InlineData(1, 1, 1)]
    [InlineData(0.5, 1, 1)]
    [InlineData(0, 1, 1)]
    [InlineData(1e6, 0, 1)]
    public void ClippingOnlyShrinks(double norm, double clipNorm, double expected)
        => Assert.Equal(expected, GradientNorm.ClipFactor(norm, clipNorm));
}
