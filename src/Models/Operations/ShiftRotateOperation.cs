using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Models.Operations;

/// <summary>
/// The shift (paper section 2.2) and the rotary embedding, in that order: mixed_t is the sum over the taps of weights
/// [h, taps - 1 - j] x_(t-j), where nothing lies before a document's first token, then the rotation by the token's position. Either
/// part may be absent: vanilla queries are only rotated, values only shifted.
/// </summary>
internal static class ShiftRotateOperation
{
    /// <param name="kernels">What computes.</param>
    /// <param name="x">[batch * tokens, heads * head_size].</param>
    /// <param name="heads">Heads in x.</param>
    /// <param name="weights">[heads, taps], the last column for the current token; null: no shift.</param>
    /// <param name="rotary">null: no rotation.</param>
    /// <param name="rows">Rows, tokens and documents.</param>
    /// <param name="remade">
    /// Whether users of what is shifted make it again in backward, from x. What is only rotated is kept: nothing else needs its x.
    /// </param>
    public static Activation Apply(IKernels kernels, Tensor x, int heads, Tensor? weights, RotaryTable? rotary, PackedRows rows, bool remade = false)
    {
        var call = new Call(kernels, heads, rotary, rows);
        if (weights is null)
        {
            return Rotation.apply(x, call);
        }

        var y = ShiftAndRotation.apply(x, weights, call);
        return remade ? Activation.Remade(y, [x, weights], origin => call.Forward(origin[0], origin[1])) : y;
    }

    private sealed record Call(IKernels Kernels, int Heads, RotaryTable? Rotary, PackedRows Rows)
    {
        public Tensor Forward(Tensor x, Tensor? weights) => Kernels.ShiftRotate(x, Heads, weights, Rotary, Rows);

        public (Tensor X, Tensor? Weights) Backward(Tensor? x, Tensor dy, Tensor? weights)
            => Kernels.ShiftRotateBackward(x, dy, Heads, weights, Rotary, Rows);
    }

    private sealed class Rotation : SingleResultFunction<Rotation>
    {
        public override string Name => "Rotate";

        protected override Tensor Compute(AutogradContext context, object[] arguments)
        {
            context.save_data("call", arguments[1]);
            return ((Call)arguments[1]).Forward((Tensor)arguments[0], weights: null);
        }

        protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
            => [((Call)context.get_data("call")).Backward(x: null, gradient.contiguous(), weights: null).X, null];
    }

    private sealed class ShiftAndRotation : SingleResultFunction<ShiftAndRotation>
    {
        public override string Name => "ShiftRotate";

        protected override Tensor Compute(AutogradContext context, object[] arguments)
        {
            var (x, weights) = ((Tensor)arguments[0], (Tensor)arguments[1]);
            context.save_for_backward([x, weights]);
            context.save_data("call", arguments[2]);
            return ((Call)arguments[2]).Forward(x, weights);
        }

        protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
        {
            var saved = context.get_saved_variables();
            var (dx, dweights) = ((Call)context.get_data("call")).Backward(saved[0], gradient.contiguous(), saved[1]);
            return [dx, dweights, null];
        }
    }
}
