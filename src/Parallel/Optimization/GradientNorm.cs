using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Optimization;

/// <summary>The global L2 norm of the gradient, each parameter counted once.</summary>
public static class GradientNorm
{
    /// <summary>Norm of the reduced gradients, before any scale: the same on every rank.</summary>
    /// <param name="parameters">Parameters of this rank.</param>
    /// <param name="holders">
    /// The ranks that hold different gradients: those of one copy of the parameters, or all ranks where replicas share the optimizer.
    /// </param>
    public static double Of(ParameterBuckets parameters, ProcessGroup holders)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var sum = 0.0;
        foreach (var bucket in parameters.Buckets)
        {
            if (bucket.Traits.IsPrimary)
            {
                sum += DenseKernels.SumOfSquares(bucket.OwnedGradients());
            }
        }
        return Math.Sqrt(holders.Sum(sum));
    }

    /// <summary>
    /// As <see cref="Of"/>, from whole gradients and a parameter at a time, so that the bits do not depend on how buckets are shared.
    /// </summary>
    /// <param name="parameters">Parameters of this rank, each with its whole gradient.</param>
    /// <param name="tensor">The ranks that share one copy of the parameters.</param>
    public static double Canonical(ParameterBuckets parameters, ProcessGroup tensor)
    {
        using var mode = no_grad();
        var sum = 0.0;
        foreach (var slot in parameters.Slots)
        {
            if (slot.Shard.IsPrimary)
            {
                sum += DenseKernels.SumOfSquares(slot.Gradient);
            }
        }
        return Math.Sqrt(tensor.Sum(sum));
    }

    /// <summary>The factor that brings <paramref name="norm"/> down to <paramref name="clipNorm"/>; 1 where it is below or 0.</summary>
    public static double ClipFactor(double norm, double clipNorm) => clipNorm > 0 && norm > clipNorm ? clipNorm / norm : 1;
}
