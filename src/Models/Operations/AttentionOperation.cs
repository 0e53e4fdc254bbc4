using KvShiftScale.Models.Native;
using KvShiftScale.Parallel.Native;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Models.Operations;

/// <summary>Causal softmax attention inside documents, with grouped queries.</summary>
internal static class AttentionOperation
{
    /// <param name="query">[batch * tokens, heads * head_size].</param>
    /// <param name="key">[batch * tokens, kv_heads * head_size].</param>
    /// <param name="value">As the key.</param>
    /// <param name="heads">Query heads; a multiple of <paramref name="kvHeads"/>.</param>
    /// <param name="kvHeads">Key and value heads.</param>
    /// <param name="layout">Rows, tokens and documents.</param>
    /// <returns>[batch * tokens, heads * head_size].</returns>
    public static Tensor Apply(Tensor query, Tensor key, Tensor value, int heads, int kvHeads, TokenLayout layout)
        => KernelDataType.Supports(query)
            ? Fused.apply(query, key, value, heads, kvHeads, layout)
            : BlockedAttention.apply(query, key, value, heads, kvHeads, layout);

    private sealed class Fused : SingleTensorFunction<Fused>
    {
        public override string Name => "Attention";

        public override Tensor forward(AutogradContext ctx, params object[] vars)
        {
            var (q, k, v) = ((Tensor)vars[0], (Tensor)vars[1], (Tensor)vars[2]);
            var (heads, kvHeads, layout) = ((int)vars[3], (int)vars[4], (TokenLayout)vars[5]);
            var headSize = q.size(1) / heads;
            var output = empty(q.size(0), q.size(1), q.dtype);
            var logSumExp = empty((long)layout.Batch * heads * layout.Tokens, q.dtype);
            KernelStatus.ThrowIfFailed(TransformerKernels.kvs_attention_forward(KernelDataType.Of(q), layout.Batch, layout.Tokens, heads,
                kvHeads, headSize, TensorMemory.Address(q), TensorMemory.Address(k), TensorMemory.Address(v), layout.PositionsAddress,
                1 / Math.Sqrt(headSize), TensorMemory.Address(output), TensorMemory.Address(logSumExp)));
            ctx.save_for_backward([q, k, v, output, logSumExp]);
            ctx.save_data("heads", heads);
            ctx.save_data("kv_heads", kvHeads);
            ctx.save_data("layout", layout);
            return output;
        }

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
        {
            var saved = ctx.get_saved_variables();
            var (q, k, v, output, logSumExp) = (saved[0], saved[1], saved[2], saved[3], saved[4]);
            var (heads, kvHeads, layout) = ((int)ctx.get_data("heads"), (int)ctx.get_data("kv_heads"), (TokenLayout)ctx.get_data("layout"));
            var headSize = q.size(1) / heads;
            var doutput = grad_output.contiguous();
            var dq = empty(q.size(0), q.size(1), q.dtype);
            var dk = empty(k.size(0), k.size(1), q.dtype);
            var dv = empty(v.size(0), v.size(1), q.dtype);
            KernelStatus.ThrowIfFailed(TransformerKernels.kvs_attention_backward(KernelDataType.Of(q), layout.Batch, layout.Tokens, heads,
                kvHeads, headSize, TensorMemory.Address(q), TensorMemory.Address(k), TensorMemory.Address(v), layout.PositionsAddress,
                1 / Math.Sqrt(headSize), TensorMemory.Address(output), TensorMemory.Address(logSumExp), TensorMemory.Address(doutput),
                TensorMemory.Address(dq), TensorMemory.Address(dk), TensorMemory.Address(dv)));
            return [dq, dk, dv, null!, null!, null!];
        }
    }
}
