using KvShiftScale.Parallel.Native;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Optimization;

/// <summary>The global L2 norm of the gradient, each parameter counted once.</summary>
public static class GradientNorm
{
    /// <summary>Norm of the reduced gradients, before any scale.</summary>
    public static double Of(ParameterBuckets parameters)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var sum = 0.0;
        foreach (var bucket in parameters.Buckets) sum += DenseKernels.SumOfSquares(bucket.FlatGradients());
        return Math.Sqrt(sum);
    }

    /// <summary>The factor that brings <paramref name="norm"/> down to <paramref name="clipNorm"/>; 1 where it is below or 0.</summary>
    public static double ClipFactor(double norm, double clipNorm) => clipNorm > 0 && norm > clipNorm ? clipNorm / norm : 1;
}
