using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Optimization;

/// <summary>
/// The global L2 norm of the gradient, each parameter counted once. Its square is a float64 scalar where the gradients are, which nobody has waited
/// for; the root is the reader's, since that of libtorch is not the nearest number.
/// </summary>
public static class GradientNorm
{
    /// <summary>
    /// This rank's part of the sum of the squares of the reduced gradients, before any scale. The parts of the ranks that hold different gradients
    /// add up to it: those of one copy of the parameters, or all ranks where replicas share the optimizer.
    /// </summary>
    /// <param name="parameters">Parameters of this rank.</param>
    public static Tensor Squares(ParameterBuckets parameters)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var sum = zeros([], ScalarType.Float64, parameters.Device);
        foreach (var bucket in parameters.Buckets)
        {
            if (bucket.Traits.IsPrimary)
            {
                parameters.Kernels.AddSquares(bucket.OwnedGradients(), sum);
            }
        }
        return sum.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// As <see cref="Squares"/>, from whole gradients and a parameter at a time, so that the bits do not depend on how buckets are shared: the parts
    /// of the ranks of one copy of the parameters add up.
    /// </summary>
    /// <param name="parameters">Parameters of this rank, each with its whole gradient.</param>
    public static Tensor CanonicalSquares(ParameterBuckets parameters)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var sum = zeros([], ScalarType.Float64, parameters.Device);
        foreach (var slot in parameters.Slots)
        {
            if (slot.Shard.IsPrimary)
            {
                parameters.Kernels.AddSquares(slot.Gradient, sum);
            }
        }
        return sum.MoveToOuterDisposeScope();
    }

    /// <summary>The factor that brings <paramref name="norm"/> down to <paramref name="clipNorm"/>; 1 where it is below or 0.</summary>
    public static double ClipFactor(double norm, double clipNorm) => clipNorm > 0 && norm > clipNorm ? clipNorm / norm : 1;
}
