using KvShiftScale.Models.Kernels;
using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Native;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Models.Operations;

/// <summary>
/// The output head and its loss together: sum over valid targets of -log softmax(h W^T)[target]. Logits exist for a chunk of
/// tokens at a time; where gradients are wanted, the chunk's logits become their own gradient at once and are used up, so that
/// [tokens, vocabulary] is never held.
/// </summary>
internal static class LinearCrossEntropyOperation
{
    /// <summary>A target that carries no loss.</summary>
    public const int IgnoredTarget = -100;

    // 2 Mi logits are 8 MiB in float32: they stay in a core's share of the last-level cache between the two products.
    private const long ChunkElements = 2 << 20;

    /// <param name="hidden">[rows, hidden_size].</param>
    /// <param name="weight">[vocabulary, hidden_size], or this rank's rows of it.</param>
    /// <param name="targets">int32 [rows] in host memory; <see cref="IgnoredTarget"/> where there is none.</param>
    /// <param name="group">The ranks that hold the other rows of the weight. The gradient of hidden is this rank's part of a sum over them.</param>
    /// <returns>Scalar: the sum of the losses, in float32 at least.</returns>
    /// <exception cref="NotSupportedException">Several ranks divide the vocabulary, and the tensors are on a device.</exception>
    public static Tensor Apply(Tensor hidden, ParameterSlot weight, Tensor targets, ProcessGroup group)
    {
        if (hidden.device_type != TorchSharp.DeviceType.CPU)
        {
            if (group.Size > 1)
            {
                throw new NotSupportedException($"the loss of a vocabulary that {group.Size} ranks divide is not built for {hidden.device}");
            }

            var logits = nn.functional.linear(hidden, weight.AsInput());
            return nn.functional.cross_entropy(logits, targets.to(int64, hidden.device), ignore_index: IgnoredTarget,
                reduction: nn.Reduction.Sum);
        }
        return Fused.apply(hidden, weight.Parameter, targets, weight, is_grad_enabled(), group);
    }

    private sealed class Fused : SingleResultFunction<Fused>
    {
        public override string Name => "LinearCrossEntropy";

        protected override Tensor Compute(AutogradContext context, object[] arguments)
        {
            var (hidden, targets, slot, withGradient) = ((Tensor)arguments[0], (Tensor)arguments[2], (ParameterSlot)arguments[3], (bool)arguments[4]);
            var group = (ProcessGroup)arguments[5];
            // Rows of padding have no logits.
            var (rows, vocabulary) = (hidden.size(0), slot.Shard.ValidExtent);
            var weight = ((Tensor)arguments[1]).narrow(0, 0, vocabulary);
            var chunkRows = Math.Max(1, Math.Min(rows, ChunkElements / Math.Max(1, vocabulary)));
            var dhidden = withGradient ? empty(rows, hidden.size(1), hidden.dtype) : null;
            var dweight = withGradient ? zeros([.. slot.Shape], slot.Gradient.dtype) : null;
            var lossSum = 0.0;
            for (var start = 0L; start < rows; start += chunkRows)
            {
                using var scope = NewDisposeScope();
                var count = Math.Min(chunkRows, rows - start);
                var h = hidden.narrow(0, start, count);
                // The softmax is taken in float32 at least; logits of fewer bits become that a chunk at a time.
                var logits = DenseKernels.Matmul(h, false, weight, true).to(slot.Gradient.dtype);
                var chunkTargets = targets.narrow(0, start, count);
                lossSum += group.Size > 1
                    ? VocabularyLoss.InPlace(group, logits, chunkTargets, slot.Shard.Start, withGradient)
                    : WholeLoss(logits, chunkTargets, withGradient);
                if (!withGradient)
                {
                    continue;
                }

                var dlogits = logits.to(hidden.dtype);
                DenseKernels.MatmulInto(dhidden!.narrow(0, start, count), 0, dlogits, false, weight, false);
                DenseKernels.MatmulInto(dweight!.narrow(0, 0, vocabulary), 1, dlogits, true, h, false);
            }
            if (withGradient)
            {
                context.save_for_backward([dhidden!, dweight!]);
                context.save_data("slot", slot);
            }
            return tensor([lossSum], slot.Gradient.dtype).view([]);
        }

        private static double WholeLoss(Tensor logits, Tensor targets, bool withGradient)
        {
            KernelStatus.ThrowIfFailed(TransformerKernels.kvs_cross_entropy(KernelDataType.Of(logits), logits.size(0), logits.size(1),
                TensorMemory.Address(logits), TensorMemory.Address(targets), IgnoredTarget, withGradient ? 1 : 0, 1.0, out var loss, out _));
            GC.KeepAlive(targets);
            return loss;
        }

        protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
        {
            var saved = context.get_saved_variables();
            var (dhidden, dweight) = (saved[0], saved[1]);
            // The loss of a step is a plain sum, whose gradient is 1; anything else scales what forward left.
            var scale = gradient.to(ScalarType.Float64).item<double>();
            var slot = (ParameterSlot)context.get_data("slot");
            slot.Accumulate(scale == 1 ? dweight : dweight * scale);
            return [scale == 1 ? dhidden : dhidden * scale, null, null, null, null, null];
        }
    }
}
