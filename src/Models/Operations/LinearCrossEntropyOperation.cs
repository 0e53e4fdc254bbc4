using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Models.Operations;

/// <summary>
/// The output head and its loss together: sum over valid targets of -log softmax(h W^T)[target]. Logits exist for a chunk of
/// tokens at a time; where gradients are wanted, the chunk's logits become their own gradient at once and are used up, so that
/// [tokens, vocabulary] is never held.
/// </summary>
internal sealed class LinearCrossEntropyOperation : SingleResultFunction<LinearCrossEntropyOperation>
{
    public override string Name => "LinearCrossEntropy";

    /// <param name="hidden">[rows, hidden_size].</param>
    /// <param name="weight">[vocabulary, hidden_size], or this rank's rows of it.</param>
    /// <param name="targets">int32 [rows]; <see cref="IKernels.IgnoredTarget"/> where there is none.</param>
    /// <param name="group">The ranks that hold the other rows of the weight. The gradient of hidden is this rank's part of a sum over them.</param>
    /// <returns>Scalar: the sum of the losses, in float32 at least.</returns>
    public static Tensor Apply(Tensor hidden, ParameterSlot weight, Tensor targets, ProcessGroup group)
        => apply(hidden, weight.Parameter, targets, weight, is_grad_enabled(), group);

    protected override Tensor Compute(AutogradContext context, object[] arguments)
    {
        var (hidden, targets, slot, withGradient) = ((Tensor)arguments[0], (Tensor)arguments[2], (ParameterSlot)arguments[3], (bool)arguments[4]);
        var (group, kernels) = ((ProcessGroup)arguments[5], slot.Kernels);
        // Rows of padding have no logits.
        var (rows, vocabulary) = (hidden.size(0), slot.Shard.ValidExtent);
        var weight = ((Tensor)arguments[1]).narrow(0, 0, vocabulary);
        // By what every rank holds, padding included: ranks join each chunk, and so need the same.
        var chunkRows = ModelCost.LogitRows(rows, slot.Shard.Extent);
        var dhidden = withGradient ? empty(rows, hidden.size(1), hidden.dtype, hidden.device) : null;
        var dweight = withGradient ? zeros([.. slot.Shape], slot.GradientType, hidden.device) : null;
        var lossSum = zeros([], ScalarType.Float64, hidden.device);
        for (var start = 0L; start < rows; start += chunkRows)
        {
            using var scope = NewDisposeScope();
            var count = Math.Min(chunkRows, rows - start);
            var h = hidden.narrow(0, start, count);
            // The softmax is taken in float32 at least.
            var logits = empty(count, vocabulary, slot.GradientType, hidden.device);
            kernels.MatmulInto(logits, 0, h, false, weight, true);
            var chunkTargets = targets.narrow(0, start, count);
            if (group.Size > 1)
            {
                VocabularyLoss.InPlace(kernels, group, logits, chunkTargets, slot.Shard.Start, withGradient, lossSum);
            }
            else
            {
                kernels.CrossEntropy(logits, chunkTargets, withGradient, lossSum);
            }

            if (!withGradient)
            {
                continue;
            }

            var dlogits = logits.to(hidden.dtype);
            kernels.MatmulInto(dhidden!.narrow(0, start, count), 0, dlogits, false, weight, false);
            kernels.MatmulInto(dweight!.narrow(0, 0, vocabulary), 1, dlogits, true, h, false);
        }
        if (withGradient)
        {
            context.save_for_backward([dhidden!, dweight!]);
            context.save_data("slot", slot);
        }
        return lossSum.to(slot.GradientType);
    }

    protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
    {
        var (saved, slot) = (context.get_saved_variables(), (ParameterSlot)context.get_data("slot"));
        slot.Accumulate(slot.Kernels.Scaled(saved[1], gradient));
        return [slot.Kernels.Scaled(saved[0], gradient), null, null, null, null, null];
    }
}
