using KvShiftScale.Models.Native;
using KvShiftScale.Parallel.Native;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Models.Operations;

/// <summary>RMSNorm, alone or with the residual addition that precedes it.</summary>
internal static class RmsNormOperation
{
    /// <summary>x / sqrt(mean(x^2) + epsilon) * weight over the last dimension of x [rows, hidden_size].</summary>
    public static Tensor Norm(Tensor x, ParameterSlot weight, double epsilon)
    {
        if (!KernelDataType.Supports(x)) return Composed(x, weight, epsilon);
        return FusedNorm.apply(x, weight.Parameter, weight, epsilon);
    }

    /// <summary>(residual + x, norm of that sum): one pass over memory instead of two.</summary>
    public static (Tensor Sum, Tensor Normalised) AddNorm(Tensor residual, Tensor x, ParameterSlot weight, double epsilon)
    {
        if (!KernelDataType.Supports(x))
        {
            var sum = residual + x;
            return (sum, Composed(sum, weight, epsilon));
        }
        var results = FusedAddNorm.apply(residual, x, weight.Parameter, weight, epsilon);
        return (results[0], results[1]);
    }

    private static Tensor Composed(Tensor x, ParameterSlot weight, double epsilon)
        => x * (x.pow(2).mean([-1], keepdim: true) + epsilon).rsqrt() * weight.AsInput();

    private static Tensor Backward(Tensor x, Tensor weight, Tensor inverseRms, Tensor dy, Tensor? dsum, ParameterSlot slot)
    {
        var dx = empty(x.size(0), x.size(1), x.dtype);
        var dweight = empty(x.size(1), x.dtype);
        KernelStatus.ThrowIfFailed(TransformerKernels.kvs_rms_norm_backward(KernelDataType.Of(x), x.size(0), x.size(1),
            TensorMemory.Address(x), TensorMemory.Address(weight), TensorMemory.Address(inverseRms), TensorMemory.Address(dy),
            TensorMemory.AddressOrNull(dsum), TensorMemory.Address(dx), TensorMemory.Address(dweight)));
        GC.KeepAlive(dsum);
        slot.Accumulate(dweight);
        return dx;
    }

    private sealed class FusedNorm : SingleTensorFunction<FusedNorm>
    {
        public override string Name => "RmsNorm";

        public override Tensor forward(AutogradContext ctx, params object[] vars)
        {
            var (x, weight, epsilon) = ((Tensor)vars[0], (Tensor)vars[1], (double)vars[3]);
            var y = empty(x.size(0), x.size(1), x.dtype);
            var inverseRms = empty(x.size(0), x.dtype);
            KernelStatus.ThrowIfFailed(TransformerKernels.kvs_rms_norm_forward(KernelDataType.Of(x), x.size(0), x.size(1),
                TensorMemory.Address(x), 0, TensorMemory.Address(weight), epsilon, 0, TensorMemory.Address(y),
                TensorMemory.Address(inverseRms)));
            ctx.save_for_backward([x, weight, inverseRms]);
            ctx.save_data("slot", vars[2]);
            return y;
        }

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
        {
            var saved = ctx.get_saved_variables();
            var dx = Backward(saved[0], saved[1], saved[2], grad_output.contiguous(), null, (ParameterSlot)ctx.get_data("slot"));
            return [dx, null!, null!, null!];
        }
    }

    private sealed class FusedAddNorm : MultiTensorFunction<FusedAddNorm>
    {
        public override string Name => "AddRmsNorm";

        public override List<Tensor> forward(AutogradContext ctx, params object[] vars)
        {
            var (residual, x, weight, epsilon) = ((Tensor)vars[0], (Tensor)vars[1], (Tensor)vars[2], (double)vars[4]);
            var sum = empty(x.size(0), x.size(1), x.dtype);
            var y = empty(x.size(0), x.size(1), x.dtype);
            var inverseRms = empty(x.size(0), x.dtype);
            KernelStatus.ThrowIfFailed(TransformerKernels.kvs_rms_norm_forward(KernelDataType.Of(x), x.size(0), x.size(1),
                TensorMemory.Address(x), TensorMemory.Address(residual), TensorMemory.Address(weight), epsilon,
                TensorMemory.Address(sum), TensorMemory.Address(y), TensorMemory.Address(inverseRms)));
            ctx.save_for_backward([sum, weight, inverseRms]);
            ctx.save_data("slot", vars[3]);
            return [sum, y];
        }

        public override List<Tensor> backward(AutogradContext ctx, List<Tensor> grad_outputs)
        {
            var saved = ctx.get_saved_variables();
            // Both addends have the same gradient; libtorch does not write into a gradient that it shares.
            var dx = Backward(saved[0], saved[1], saved[2], grad_outputs[1].contiguous(), grad_outputs[0].contiguous(),
                (ParameterSlot)ctx.get_data("slot"));
            return [dx, dx, null!, null!, null!];
        }
    }
}
