using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Models.Operations;

/// <summary>silu(gate) * up, elementwise.</summary>
internal sealed class SwiGluOperation : SingleResultFunction<SwiGluOperation>
{
    public override string Name => "SwiGlu";

    /// <param name="kernels">What computes.</param>
    /// <param name="gate">[rows, ffn_size].</param>
    /// <param name="up">[rows, ffn_size].</param>
    /// <param name="remade">Whether users of the product make it again in backward, from gate and up.</param>
    public static Activation Apply(IKernels kernels, Tensor gate, Tensor up, bool remade)
    {
        var y = apply(gate, up, kernels);
        return remade ? Activation.Remade(y, [gate, up], origin => kernels.SwiGlu(origin[0], origin[1])) : y;
    }

    protected override Tensor Compute(AutogradContext context, object[] arguments)
    {
        var (gate, up, kernels) = ((Tensor)arguments[0], (Tensor)arguments[1], (IKernels)arguments[2]);
        context.save_for_backward([gate, up]);
        context.save_data("kernels", kernels);
        return kernels.SwiGlu(gate, up);
    }

    protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
    {
        var saved = context.get_saved_variables();
        var (dgate, dup) = ((IKernels)context.get_data("kernels")).SwiGluBackward(saved[0], saved[1], gradient.contiguous());
        return [dgate, dup, null];
    }
}
