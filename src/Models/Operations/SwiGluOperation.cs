using KvShiftScale.Models.Kernels;
using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Native;
using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Models.Operations;

/// <summary>silu(gate) * up, elementwise.</summary>
internal static class SwiGluOperation
{
    /// <param name="gate">[rows, ffn_size].</param>
    /// <param name="up">[rows, ffn_size].</param>
    /// <param name="remade">Whether users of the product make it again in backward, from gate and up.</param>
    public static Activation Apply(Tensor gate, Tensor up, bool remade)
    {
        var y = Product.apply(gate, up);
        return remade ? Activation.Remade(y, [gate, up], origin => Forward(origin[0], origin[1])) : y;
    }

    private static Tensor Forward(Tensor gate, Tensor up)
    {
        if (!KernelDataType.Supports(gate))
        {
            return gate.silu() * up;
        }

        var y = empty(gate.size(0), gate.size(1), gate.dtype);
        KernelStatus.ThrowIfFailed(TransformerKernels.kvs_swiglu_forward(KernelDataType.Of(gate), gate.numel(),
            TensorMemory.Address(gate), TensorMemory.Address(up), TensorMemory.Address(y)));
        GC.KeepAlive(gate);
        GC.KeepAlive(up);
        return y;
    }

    // With s = sigmoid(gate): dgate = dy up s (1 + gate (1 - s)), dup = dy gate s; in float32 at least.
    private static List<Tensor?> ComposedBackward(Tensor gate, Tensor up, Tensor dy)
    {
        using var scope = NewDisposeScope();
        var dtype = gate.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        var (wideGate, gradient) = (gate.to(dtype), dy.to(dtype));
        var sigmoid = wideGate.sigmoid();
        var dgate = gradient * up.to(dtype) * sigmoid * (wideGate * (-sigmoid + 1) + 1);
        var dup = gradient * wideGate * sigmoid;
        return [dgate.to(gate.dtype).MoveToOuterDisposeScope(), dup.to(gate.dtype).MoveToOuterDisposeScope()];
    }

    private sealed class Product : SingleResultFunction<Product>
    {
        public override string Name => "SwiGlu";

        protected override Tensor Compute(AutogradContext context, object[] arguments)
        {
            var (gate, up) = ((Tensor)arguments[0], (Tensor)arguments[1]);
            context.save_for_backward([gate, up]);
            return Forward(gate, up);
        }

        protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
        {
            var saved = context.get_saved_variables();
            var (gate, up) = (saved[0], saved[1]);
            var dy = gradient.contiguous();
            if (!KernelDataType.Supports(gate))
            {
                return ComposedBackward(gate, up, dy);
            }

            var dgate = empty(gate.size(0), gate.size(1), gate.dtype);
            var dup = empty(gate.size(0), gate.size(1), gate.dtype);
            KernelStatus.ThrowIfFailed(TransformerKernels.kvs_swiglu_backward(KernelDataType.Of(gate), gate.numel(),
                TensorMemory.Address(gate), TensorMemory.Address(up), TensorMemory.Address(dy), TensorMemory.Address(dgate),
                TensorMemory.Address(dup)));
            return [dgate, dup];
        }
    }
}
