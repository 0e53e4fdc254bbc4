using KvShiftScale.Models.Kernels;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Native;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Operations;

/// <summary>
/// Softmax cross entropy of rows whose logits are divided by vocabulary among tensor-parallel ranks: one all-reduce for the largest
/// logit and one for the sum of exponentials and the target's logit; none for the gradient.
/// </summary>
internal static class VocabularyLoss
{
    /// <summary>Losses of all rows together, in float64; the same on every rank.</summary>
    /// <param name="group">The ranks that hold the other columns.</param>
    /// <param name="logits">[rows, columns of this rank]; overwritten with the gradient of the sum of losses.</param>
    /// <param name="targets">int32 [rows]; negative where there is none.</param>
    /// <param name="firstId">Token id of the first column.</param>
    /// <param name="withGradient">False leaves no meaning in <paramref name="logits"/>.</param>
    public static double InPlace(ProcessGroup group, Tensor logits, Tensor targets, long firstId, bool withGradient)
    {
        using var scope = NewDisposeScope();
        var (rows, columns) = (logits.size(0), logits.size(1));
        var statistics = empty([3, rows], logits.dtype);
        KernelStatus.ThrowIfFailed(TransformerKernels.kvs_cross_entropy_part(KernelDataType.Of(logits), rows, columns, firstId,
            TensorMemory.Address(logits), TensorMemory.Address(targets), TensorMemory.Address(statistics)));

        var ownLargest = statistics.narrow(0, 0, 1);
        var largest = ownLargest.clone();
        group.AllReduce(largest, ReduceOperation.Max);
        // exp(own largest - largest): 0 on a rank without columns, whose own largest is -infinity.
        var scale = (ownLargest - largest).exp();
        var sums = statistics.narrow(0, 1, 2);
        sums.narrow(0, 0, 1).copy_(sums.narrow(0, 0, 1) * scale);
        group.AllReduce(sums);

        var valid = targets.view(1, rows).gt(-1).to(logits.dtype);
        var loss = (sums.narrow(0, 0, 1).log() + largest - sums.narrow(0, 1, 1)) * valid;
        if (withGradient)
        {
            var factors = scale / sums.narrow(0, 0, 1);
            KernelStatus.ThrowIfFailed(TransformerKernels.kvs_cross_entropy_part_gradient(KernelDataType.Of(logits), rows, columns, firstId,
                TensorMemory.Address(logits), TensorMemory.Address(targets), TensorMemory.Address(factors)));
            GC.KeepAlive(factors);
        }
        GC.KeepAlive(targets);
        return loss.to(ScalarType.Float64).sum().item<double>();
    }
}
