using KvShiftScale.Models.Native;
using KvShiftScale.Parallel.Native;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Models.Operations;

/// <summary>Causal softmax attention inside documents, with grouped queries and, in sliding layers, over a window of keys.</summary>
internal static class AttentionOperation
{
    /// <param name="query">[batch * tokens, heads * head_size].</param>
    /// <param name="key">[batch * tokens, kv_heads * head_size].</param>
    /// <param name="value">As the key.</param>
    /// <param name="shape">Heads, kv heads, which divide them, head size and window.</param>
    /// <param name="layout">Rows, tokens and documents.</param>
    /// <returns>[batch * tokens, heads * head_size].</returns>
    public static Tensor Apply(Tensor query, Tensor key, Tensor value, AttentionShape shape, TokenLayout layout)
        => KernelDataType.Supports(query)
            ? Fused.apply(query, key, value, shape, layout)
            : Composed(query, key, value, shape, layout);

    private static Tensor Composed(Tensor query, Tensor key, Tensor value, AttentionShape shape, TokenLayout layout)
    {
        var (heads, kvHeads, headSize, window) = shape;
        var q = query.view(layout.Batch, layout.Tokens, heads, headSize).transpose(1, 2);
        var result = nn.functional.scaled_dot_product_attention(q, Repeated(key), Repeated(value), layout.Visible(query.device, window));
        return result.transpose(1, 2).reshape(query.size(0), query.size(1));

        Tensor Repeated(Tensor x) => x.view(layout.Batch, layout.Tokens, kvHeads, 1, headSize)
            .expand(layout.Batch, layout.Tokens, kvHeads, heads / kvHeads, headSize)
            .reshape(layout.Batch, layout.Tokens, heads, headSize).transpose(1, 2);
    }

    private sealed class Fused : SingleTensorFunction<Fused>
    {
        public override string Name => "Attention";

        public override Tensor forward(AutogradContext ctx, params object[] vars)
        {
            var (q, k, v) = ((Tensor)vars[0], (Tensor)vars[1], (Tensor)vars[2]);
            var (shape, layout) = ((AttentionShape)vars[3], (TokenLayout)vars[4]);
            var output = empty(q.size(0), q.size(1), q.dtype);
            var logSumExp = empty((long)layout.Batch * shape.Heads * layout.Tokens, q.dtype);
            KernelStatus.ThrowIfFailed(TransformerKernels.kvs_attention_forward(KernelDataType.Of(q), layout.Batch, layout.Tokens, shape.Heads,
                shape.KvHeads, shape.HeadSize, TensorMemory.Address(q), TensorMemory.Address(k), TensorMemory.Address(v), layout.PositionsAddress,
                shape.Window, 1 / Math.Sqrt(shape.HeadSize), TensorMemory.Address(output), TensorMemory.Address(logSumExp)));
            ctx.save_for_backward([q, k, v, output, logSumExp]);
            ctx.save_data("shape", shape);
            ctx.save_data("layout", layout);
            return output;
        }

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
        {
            var saved = ctx.get_saved_variables();
            var (q, k, v, output, logSumExp) = (saved[0], saved[1], saved[2], saved[3], saved[4]);
            var (shape, layout) = ((AttentionShape)ctx.get_data("shape"), (TokenLayout)ctx.get_data("layout"));
            var doutput = grad_output.contiguous();
            var dq = empty(q.size(0), q.size(1), q.dtype);
            var dk = empty(k.size(0), k.size(1), q.dtype);
            var dv = empty(v.size(0), v.size(1), q.dtype);
            KernelStatus.ThrowIfFailed(TransformerKernels.kvs_attention_backward(KernelDataType.Of(q), layout.Batch, layout.Tokens, shape.Heads,
                shape.KvHeads, shape.HeadSize, TensorMemory.Address(q), TensorMemory.Address(k), TensorMemory.Address(v), layout.PositionsAddress,
                shape.Window, 1 / Math.Sqrt(shape.HeadSize), TensorMemory.Address(output), TensorMemory.Address(logSumExp), TensorMemory.Address(doutput),
                TensorMemory.Address(dq), TensorMemory.Address(dk), TensorMemory.Address(dv)));
            return [dq, dk, dv, null!, null!];
        }
    }
}
