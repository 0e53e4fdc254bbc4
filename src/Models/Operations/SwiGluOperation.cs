using KvShiftScale.Models.Native;
using KvShiftScale.Parallel.Native;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Models.Operations;

/// <summary>silu(gate) * up, elementwise.</summary>
internal static class SwiGluOperation
{
    /// <param name="gate">[rows, ffn_size].</param>
    /// <param name="up">[rows, ffn_size].</param>
    public static Tensor Apply(Tensor gate, Tensor up) => KernelDataType.Supports(gate) ? Fused.apply(gate, up) : gate.silu() * up;

    private sealed class Fused : SingleTensorFunction<Fused>
    {
        public override string Name => "SwiGlu";

        public override Tensor forward(AutogradContext ctx, params object[] vars)
        {
            var (gate, up) = ((Tensor)vars[0], (Tensor)vars[1]);
            var y = empty(gate.size(0), gate.size(1), gate.dtype);
            KernelStatus.ThrowIfFailed(TransformerKernels.kvs_swiglu_forward(KernelDataType.Of(gate), gate.numel(),
                TensorMemory.Address(gate), TensorMemory.Address(up), TensorMemory.Address(y)));
            ctx.save_for_backward([gate, up]);
            return y;
        }

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
        {
            var saved = ctx.get_saved_variables();
            var (gate, up) = (saved[0], saved[1]);
            var dy = grad_output.contiguous();
            var dgate = empty(gate.size(0), gate.size(1), gate.dtype);
            var dup = empty(gate.size(0), gate.size(1), gate.dtype);
            KernelStatus.ThrowIfFailed(TransformerKernels.kvs_swiglu_backward(KernelDataType.Of(gate), gate.numel(),
                TensorMemory.Address(gate), TensorMemory.Address(up), TensorMemory.Address(dy), TensorMemory.Address(dgate),
                TensorMemory.Address(dup)));
            return [dgate, dup];
        }
    }
}
