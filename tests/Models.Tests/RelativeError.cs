namespace KvShiftScale.Models.Tests;

/// <summary>
/// Distance of two tensors relative to the norm of the expected one. An element that is small because its terms cancel carries the
/// rounding of the terms, which has the size of the tensor's other elements: an error relative to itself would say nothing, one
/// relative to the norm is what an optimizer step sees.
/// </summary>
internal static class RelativeError
{
    public static double Of(double[] expected, double[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        var (difference, norm) = (0.0, 0.0);
        for (var i = 0; i < expected.Length; i++)
        {
            difference += (actual[i] - expected[i]) * (actual[i] - expected[i]);
            norm += expected[i] * expected[i];
        }
        // A tensor of zeros is to be one exactly.
        return norm == 0 ? (difference == 0 ? 0 : double.PositiveInfinity) : Math.Sqrt(difference / norm);
    }

    public static void Below(double tolerance, string name, double[] expected, double[] actual)
    {
        var error = Of(expected, actual);
        Assert.True(error < tolerance, $"{name}: relative error {error:E2}, allowed {tolerance:E0}");
    }
}
