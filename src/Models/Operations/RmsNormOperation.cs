using KvShiftScale.Models.Kernels;
using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Native;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Models.Operations;

/// <summary>RMSNorm, alone or with the residual addition that precedes it.</summary>
internal static class RmsNormOperation
{
    /// <summary>x / sqrt(mean(x^2) + epsilon) * weight over the last dimension of x [rows, hidden_size].</summary>
    /// <param name="x">[rows, hidden_size].</param>
    /// <param name="weight">[hidden_size].</param>
    /// <param name="epsilon">Added to the mean square.</param>
    /// <param name="remade">Whether users of the result make it again in backward, from x.</param>
    public static Activation Norm(Tensor x, ParameterSlot weight, double epsilon, bool remade)
    {
        var y = NormFunction.apply(x, weight.Parameter, weight, epsilon);
        return remade ? Remade(y, x, weight, epsilon) : y;
    }

    /// <summary>(residual + x, norm of that sum): one pass over memory instead of two.</summary>
    public static (Tensor Sum, Activation Normalised) AddNorm(Tensor residual, Tensor x, ParameterSlot weight, double epsilon, bool remade)
    {
        var results = AddNormFunction.apply(residual, x, weight.Parameter, weight, epsilon);
        var (sum, y) = (results[0], results[1]);
        return (sum, remade ? Remade(y, sum, weight, epsilon) : y);
    }

    /// <summary>The second result of <see cref="AddNorm"/> alone, for a sum that nothing else uses.</summary>
    public static Tensor NormOfSum(Tensor residual, Tensor x, ParameterSlot weight, double epsilon)
        => NormOfSumFunction.apply(residual, x, weight.Parameter, weight, epsilon);

    private static Activation Remade(Tensor y, Tensor x, ParameterSlot weight, double epsilon)
        => Activation.Remade(y, [x], origin => Forward(origin[0], null, weight.Parameter, epsilon).Normalised);

    // Sum is x where there is no residual.
    private static (Tensor Sum, Tensor Normalised, Tensor InverseRms) Forward(Tensor x, Tensor? residual, Tensor weight, double epsilon)
    {
        if (!KernelDataType.Supports(x))
        {
            var input = residual is null ? x : residual + x;
            var factor = (input.pow(2).mean([-1], keepdim: true) + epsilon).rsqrt();
            return (input, input * factor * weight, factor);
        }
        var sum = residual is null ? x : empty(x.size(0), x.size(1), x.dtype);
        var y = empty(x.size(0), x.size(1), x.dtype);
        var inverseRms = empty(x.size(0), x.dtype);
        KernelStatus.ThrowIfFailed(TransformerKernels.kvs_rms_norm_forward(KernelDataType.Of(x), x.size(0), x.size(1), TensorMemory.Address(x),
            TensorMemory.AddressOrNull(residual), TensorMemory.Address(weight), epsilon, residual is null ? 0 : TensorMemory.Address(sum),
            TensorMemory.Address(y), TensorMemory.Address(inverseRms)));
        GC.KeepAlive(x);
        GC.KeepAlive(residual);
        GC.KeepAlive(weight);
        return (sum, y, inverseRms);
    }

    // dsum: the gradient that reaches x by its other use.
    private static Tensor Backward(Tensor x, Tensor weight, Tensor inverseRms, Tensor dy, Tensor? dsum, ParameterSlot slot)
    {
        if (!KernelDataType.Supports(x))
        {
            return ComposedBackward(x, weight, inverseRms, dy, dsum, slot);
        }

        var dx = empty(x.size(0), x.size(1), x.dtype);
        var dweight = empty(x.size(1), x.dtype);
        KernelStatus.ThrowIfFailed(TransformerKernels.kvs_rms_norm_backward(KernelDataType.Of(x), x.size(0), x.size(1),
            TensorMemory.Address(x), TensorMemory.Address(weight), TensorMemory.Address(inverseRms), TensorMemory.Address(dy),
            TensorMemory.AddressOrNull(dsum), TensorMemory.Address(dx), TensorMemory.Address(dweight)));
        GC.KeepAlive(dsum);
        slot.Accumulate(dweight);
        return dx;
    }

    // dx = weight dy / rms - x / rms^3 mean(weight dy x) + dsum, in the type of the parameter's gradient: float32 at least.
    private static Tensor ComposedBackward(Tensor x, Tensor weight, Tensor inverseRms, Tensor dy, Tensor? dsum, ParameterSlot slot)
    {
        using var scope = NewDisposeScope();
        var dtype = slot.Gradient.dtype;
        var (wideX, factor, gradient) = (x.to(dtype), inverseRms.to(dtype), dy.to(dtype));
        slot.Accumulate((gradient * wideX * factor).sum(dim: 0));
        gradient = gradient * weight.to(dtype);
        var mean = (gradient * wideX).mean([-1], keepdim: true);
        var dx = factor * (gradient - wideX * (factor * factor * mean));
        if (dsum is not null)
        {
            dx = dx + dsum.to(dtype);
        }

        return dx.to(x.dtype).MoveToOuterDisposeScope();
    }

    private sealed class NormFunction : SingleResultFunction<NormFunction>
    {
        public override string Name => "RmsNorm";

        protected override Tensor Compute(AutogradContext context, object[] arguments)
        {
            var (x, weight) = ((Tensor)arguments[0], (Tensor)arguments[1]);
            var (_, y, inverseRms) = Forward(x, null, weight, (double)arguments[3]);
            context.save_for_backward([x, weight, inverseRms]);
            context.save_data("slot", arguments[2]);
            return y;
        }

        protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
        {
            var saved = context.get_saved_variables();
            var dx = Backward(saved[0], saved[1], saved[2], gradient.contiguous(), null, (ParameterSlot)context.get_data("slot"));
            return [dx, null, null, null];
        }
    }

    private sealed class NormOfSumFunction : SingleResultFunction<NormOfSumFunction>
    {
        public override string Name => "RmsNormOfSum";

        protected override Tensor Compute(AutogradContext context, object[] arguments)
        {
            var (residual, x, weight) = ((Tensor)arguments[0], (Tensor)arguments[1], (Tensor)arguments[2]);
            var (sum, y, inverseRms) = Forward(x, residual, weight, (double)arguments[4]);
            context.save_for_backward([sum, weight, inverseRms]);
            context.save_data("slot", arguments[3]);
            return y;
        }

        protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
        {
            var saved = context.get_saved_variables();
            var dx = Backward(saved[0], saved[1], saved[2], gradient.contiguous(), null, (ParameterSlot)context.get_data("slot"));
            return [dx, dx, null, null, null];
        }
    }

    private sealed class AddNormFunction : SeveralResultsFunction<AddNormFunction>
    {
        public override string Name => "AddRmsNorm";

        protected override List<Tensor> Compute(AutogradContext context, object[] arguments)
        {
            var (residual, x, weight) = ((Tensor)arguments[0], (Tensor)arguments[1], (Tensor)arguments[2]);
            var (sum, y, inverseRms) = Forward(x, residual, weight, (double)arguments[4]);
            context.save_for_backward([sum, weight, inverseRms]);
            context.save_data("slot", arguments[3]);
            return [sum, y];
        }

        protected override List<Tensor?> Differentiate(AutogradContext context, Tensor?[] gradients)
        {
            var saved = context.get_saved_variables();
            // Both addends have the same gradient; libtorch does not write into a gradient that it shares.
            var dx = gradients[1] is { } dy
                ? Backward(saved[0], saved[1], saved[2], dy.contiguous(), gradients[0]?.contiguous(), (ParameterSlot)context.get_data("slot"))
                : gradients[0];
            return [dx, dx, null, null, null];
        }
    }
}
