using KvShiftScale.Models.Configuration;
using KvShiftScale.Models.Kernels;
using KvShiftScale.Models.Layout;
using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Native;
using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Models.Operations;

/// <summary>Causal softmax attention inside documents, with grouped queries and, in sliding layers, over a window of keys.</summary>
internal static class AttentionOperation
{
    /// <param name="query">[batch * own tokens, heads * head_size].</param>
    /// <param name="key">[batch * tokens, kv_heads * head_size].</param>
    /// <param name="value">As the key.</param>
    /// <param name="shape">Heads, kv heads, which divide them, head size and window.</param>
    /// <param name="layout">Rows, tokens and documents.</param>
    /// <returns>[batch * own tokens, heads * head_size].</returns>
    public static Tensor Apply(Activation query, Activation key, Activation value, AttentionShape shape, TokenLayout layout)
        => KernelDataType.Supports(query.Value)
            ? Fused.apply(query.Value, key.Value, value.Value, shape, layout, new AttentionInputs(query, key, value))
            : BlockedAttention.apply(query.Value, key.Value, value.Value, shape, layout, new AttentionInputs(query, key, value));

    private sealed class Fused : SingleResultFunction<Fused>
    {
        public override string Name => "Attention";

        protected override Tensor Compute(AutogradContext context, object[] arguments)
        {
            var (q, k, v) = ((Tensor)arguments[0], (Tensor)arguments[1], (Tensor)arguments[2]);
            var (shape, layout) = ((AttentionShape)arguments[3], (TokenLayout)arguments[4]);
            var output = empty(q.size(0), q.size(1), q.dtype);
            var inputs = (AttentionInputs)arguments[5];
            List<Tensor> saved = [.. inputs.Keep(), output];
            foreach (var (begin, count, at) in Parts(layout))
            {
                var (partQuery, partOutput) = (Part(q, layout, at, count), Part(output, layout, at, count));
                var logSumExp = empty((long)layout.Batch * shape.Heads * count, q.dtype);
                KernelStatus.ThrowIfFailed(TransformerKernels.kvs_attention_forward(KernelDataType.Of(q), layout.Batch, layout.Tokens, begin, count,
                    shape.Heads, shape.KvHeads, shape.HeadSize, TensorMemory.Address(partQuery), TensorMemory.Address(k),
                    TensorMemory.Address(v), layout.PositionsAddress, shape.Window, 1 / Math.Sqrt(shape.HeadSize), TensorMemory.Address(partOutput),
                    TensorMemory.Address(logSumExp)));
                Return(partOutput, output, layout, at, count);
                saved.Add(logSumExp);
            }
            context.save_for_backward(saved);
            context.save_data("inputs", inputs);
            context.save_data("shape", shape);
            context.save_data("layout", layout);
            return output;
        }

        protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
        {
            var (saved, inputs) = (new Queue<Tensor>(context.get_saved_variables()), (AttentionInputs)context.get_data("inputs"));
            var (q, k, v) = inputs.Take(saved);
            var output = saved.Dequeue();
            var (shape, layout) = ((AttentionShape)context.get_data("shape"), (TokenLayout)context.get_data("layout"));
            var doutput = gradient.contiguous();
            var dq = empty(q.size(0), q.size(1), q.dtype);
            Tensor? dk = null, dv = null;
            foreach (var (begin, count, at) in Parts(layout))
            {
                var (partQuery, partOutput, partGradient) = (Part(q, layout, at, count), Part(output, layout, at, count), Part(doutput, layout, at, count));
                var partDq = Part(dq, layout, at, count);
                var (partDk, partDv) = (empty(k.size(0), k.size(1), q.dtype), empty(k.size(0), k.size(1), q.dtype));
                KernelStatus.ThrowIfFailed(TransformerKernels.kvs_attention_backward(KernelDataType.Of(q), layout.Batch, layout.Tokens, begin, count,
                    shape.Heads, shape.KvHeads, shape.HeadSize, TensorMemory.Address(partQuery), TensorMemory.Address(k),
                    TensorMemory.Address(v), layout.PositionsAddress, shape.Window, 1 / Math.Sqrt(shape.HeadSize), TensorMemory.Address(partOutput),
                    TensorMemory.Address(saved.Dequeue()), TensorMemory.Address(partGradient), TensorMemory.Address(partDq),
                    TensorMemory.Address(partDk), TensorMemory.Address(partDv)));
                Return(partDq, dq, layout, at, count);
                dk = dk is null ? partDk : dk.add_(partDk);
                dv = dv is null ? partDv : dv.add_(partDv);
            }
            inputs.Release();
            return [dq, dk!, dv!, null, null, null];
        }

        // Each part of a row's queries, and where it begins among this rank's own.
        private static IEnumerable<(int Begin, int Count, int At)> Parts(TokenLayout layout)
        {
            var at = 0;
            foreach (var (begin, count) in layout.OwnParts)
            {
                yield return (begin, count, at);
                at += count;
            }
        }

        // [batch * count, columns] of a part: a view where its rows lie together, a copy otherwise.
        private static Tensor Part(Tensor own, TokenLayout layout, int at, int count)
            => count == layout.OwnTokens ? own : Slice(own, layout, at, count).contiguous();

        // What was written into a copy goes back.
        private static void Return(Tensor part, Tensor own, TokenLayout layout, int at, int count)
        {
            if (count == layout.OwnTokens)
            {
                return;
            }

            var slice = Slice(own, layout, at, count);
            if (TensorMemory.Address(part) != TensorMemory.Address(slice.narrow(0, 0, 1)))
            {
                slice.copy_(part.view(layout.Batch, count, own.size(1)));
            }
        }

        private static Tensor Slice(Tensor own, TokenLayout layout, int at, int count)
            => own.view(layout.Batch, layout.OwnTokens, own.size(1)).narrow(1, at, count);
    }
}
