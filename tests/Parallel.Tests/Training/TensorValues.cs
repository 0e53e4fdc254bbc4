using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Tests.Training;

/// <summary>Numbers of tensors, to compare with numbers worked out elsewhere.</summary>
internal static class TensorValues
{
    public static double[] Of(Tensor tensor) => tensor.detach().to(ScalarType.Float64).contiguous().view(-1).data<double>().ToArray();

    public static Tensor Make(ScalarType dtype, long[] shape, params double[] values) => tensor(values).to(dtype).view(shape);

    /// <summary>Each element is as expected, within <paramref name="tolerance"/> times the largest expected magnitude.</summary>
    public static void AssertClose(double[] expected, Tensor found, double tolerance = 0)
    {
        var values = Of(found);
        Assert.Equal(expected.Length, values.Length);
        var bound = tolerance * expected.Max(Math.Abs);
        for (var i = 0; i < expected.Length; i++)
        {
            Assert.True(Math.Abs(expected[i] - values[i]) <= bound,
                $"element {i}: found {values[i]:R}, wanted {expected[i]:R}");
        }
    }
}
