using KvShiftScale.Parallel.Autograd;
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
        => Activation.Remade(y, [x], origin => weight.Kernels.RmsNorm(origin[0], null, weight.Parameter, epsilon).Normalised);

    // What all of them save: the sum, the weight and the inverse root mean squares.
    private static Tensor Backward(AutogradContext context, Tensor dy, Tensor? dsum)
    {
        var (saved, slot) = (context.get_saved_variables(), (ParameterSlot)context.get_data("slot"));
        var (dx, dweight) = slot.Kernels.RmsNormBackward(saved[0], saved[1], saved[2], dy.contiguous(), dsum?.contiguous());
        slot.Accumulate(dweight);
        return dx;
    }

    private sealed class NormFunction : SingleResultFunction<NormFunction>
    {
        public override string Name => "RmsNorm";

        protected override Tensor Compute(AutogradContext context, object[] arguments)
        {
            var (x, weight) = ((Tensor)arguments[0], (Tensor)arguments[1]);
            var slot = (ParameterSlot)arguments[2];
            var (_, y, inverseRms) = slot.Kernels.RmsNorm(x, null, weight, (double)arguments[3]);
            context.save_for_backward([x, weight, inverseRms]);
            context.save_data("slot", slot);
            return y;
        }

        protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
            => [Backward(context, gradient, dsum: null), null, null, null];
    }

    private sealed class NormOfSumFunction : SingleResultFunction<NormOfSumFunction>
    {
        public override string Name => "RmsNormOfSum";

        protected override Tensor Compute(AutogradContext context, object[] arguments)
        {
            var (residual, x, weight) = ((Tensor)arguments[0], (Tensor)arguments[1], (Tensor)arguments[2]);
            var slot = (ParameterSlot)arguments[3];
            var (sum, y, inverseRms) = slot.Kernels.RmsNorm(x, residual, weight, (double)arguments[4]);
            context.save_for_backward([sum, weight, inverseRms]);
            context.save_data("slot", slot);
            return y;
        }

        protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
        {
            var dx = Backward(context, gradient, dsum: null);
            return [dx, dx, null, null, null];
        }
    }

    private sealed class AddNormFunction : SeveralResultsFunction<AddNormFunction>
    {
        public override string Name => "AddRmsNorm";

        protected override List<Tensor> Compute(AutogradContext context, object[] arguments)
        {
            var (residual, x, weight) = ((Tensor)arguments[0], (Tensor)arguments[1], (Tensor)arguments[2]);
            var slot = (ParameterSlot)arguments[3];
            var (sum, y, inverseRms) = slot.Kernels.RmsNorm(x, residual, weight, (double)arguments[4]);
            context.save_for_backward([sum, weight, inverseRms]);
            context.save_data("slot", slot);
            return [sum, y];
        }

        protected override List<Tensor?> Differentiate(AutogradContext context, Tensor?[] gradients)
        {
            // Both addends have the same gradient; libtorch does not write into a gradient that it shares.
            var dx = gradients[1] is { } dy ? Backward(context, dy, gradients[0]) : gradients[0];
            return [dx, dx, null, null, null];
        }
    }
}
