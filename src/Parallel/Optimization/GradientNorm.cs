using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Optimization;

/// <summary>
/// The global L2 norm of the gradient, each parameter counted once. Its square is a float64 scalar where the gradients are, which nobody has waited
/// for; the root is the reader's, since that of libtorch is not the nearest number.
/// </summary>
public static class GradientNorm
{
    /// <summary>Sum of the squares of the reduced gradients, before any scale: the same on every rank.</summary>
    /// <param name="parameters">Parameters of this rank.</param>
    /// <param name="holders">
    /// The ranks that hold different gradients: those of one copy of the parameters, or all ranks where replicas share the optimizer.
    /// </param>
    public static Tensor Squares(ParameterBuckets parameters, ProcessGroup holders)
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
        holders.AllReduce(sum);
        return sum.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// As <see cref="Squares"/>, from whole gradients and a parameter at a time, so that the bits do not depend on how buckets are shared.
    /// </summary>
    /// <param name="parameters">Parameters of this rank, each with its whole gradient.</param>
    /// <param name="tensor">The ranks that share one copy of the parameters.</param>
    public static Tensor CanonicalSquares(ParameterBuckets parameters, ProcessGroup tensor)
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
        tensor.AllReduce(sum);
        return sum.MoveToOuterDisposeScope();
    }

    /// <summary>The factor that brings <paramref name="norm"/> down to <paramref name="clipNorm"/>; 1 where it is below or 0.</summary>
    public static double ClipFactor(double norm, double clipNorm) => clipNorm > 0 && norm > clipNorm ? clipNorm / norm : 1;
}
