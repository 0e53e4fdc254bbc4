using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Kernels;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Operations;

/// <summary>
/// Softmax cross entropy of rows whose logits are divided by vocabulary among tensor-parallel ranks: one all-reduce for the largest
/// logit and one for the sum of exponentials and the target's logit; none for the gradient.
/// </summary>
internal static class VocabularyLoss
{
    /// <summary>Adds the losses of all rows to a sum; the same on every rank.</summary>
    /// <param name="kernels">What computes.</param>
    /// <param name="group">The ranks that hold the other columns.</param>
    /// <param name="logits">[rows, columns of this rank]; overwritten with the gradient of the sum of losses.</param>
    /// <param name="targets">int32 [rows]; negative where there is none.</param>
    /// <param name="firstId">Token id of the first column.</param>
    /// <param name="withGradient">False leaves no meaning in <paramref name="logits"/>.</param>
    /// <param name="lossSum">The sum, a float64 scalar.</param>
    public static void InPlace(IKernels kernels, ProcessGroup group, Tensor logits, Tensor targets, long firstId, bool withGradient, Tensor lossSum)
    {
        using var scope = NewDisposeScope();
        var statistics = kernels.CrossEntropyPart(logits, targets, firstId);

        var ownLargest = statistics.narrow(0, 0, 1);
        var largest = ownLargest.clone();
        group.AllReduce(largest, ReduceOperation.Max);
        // exp(own largest - largest): 0 on a rank without columns, whose own largest is -infinity.
        var scale = (ownLargest - largest).exp();
        var sums = statistics.narrow(0, 1, 2);
        sums.narrow(0, 0, 1).copy_(sums.narrow(0, 0, 1) * scale);
        group.AllReduce(sums);

        var valid = targets.view(1, -1).gt(-1).to(logits.dtype);
        var loss = (sums.narrow(0, 0, 1).log() + largest - sums.narrow(0, 1, 1)) * valid;
        if (withGradient)
        {
            kernels.CrossEntropyPartGradient(logits, targets, firstId, scale / sums.narrow(0, 0, 1));
        }

        lossSum.add_(loss.to(ScalarType.Float64).sum());
    }
}
