using KvShiftScale.Models.Native;
using KvShiftScale.Parallel.Native;
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
    /// <param name="x">[batch * tokens, heads * head_size].</param>
    /// <param name="heads">Heads in x.</param>
    /// <param name="weights">[heads, taps], the last column for the current token; null: no shift.</param>
    /// <param name="rotary">null: no rotation.</param>
    /// <param name="layout">Rows, tokens and documents.</param>
    public static Tensor Apply(Tensor x, int heads, Tensor? weights, RotaryTable? rotary, TokenLayout layout)
    {
        if (!KernelDataType.Supports(x)) return Composed(x, heads, weights, rotary, layout);
        return weights is null
            ? Fused.apply(x, heads, rotary!, layout)
            : FusedWithShift.apply(x, weights, heads, rotary!, layout);
    }

    // In the composed path positions may live on another device than the layout's.
    private static Tensor Composed(Tensor x, int heads, Tensor? weights, RotaryTable? rotary, TokenLayout layout)
    {
        var headSize = x.size(1) / heads;
        var raw = x.view(layout.Batch, layout.Tokens, heads, headSize);
        var positions = layout.Positions.to(x.device);
        var mixed = weights is null ? raw : Mixed(raw, weights.to(x.dtype), positions.view(layout.Batch, layout.Tokens, 1, 1));
        if (rotary is not null) mixed = Rotate(mixed, rotary, positions.view(layout.Batch, layout.Tokens));
        return mixed.reshape(x.size(0), x.size(1));
    }

    private static Tensor Mixed(Tensor raw, Tensor weights, Tensor positions)
    {
        var (batch, tokens, heads, headSize) = (raw.size(0), raw.size(1), raw.size(2), raw.size(3));
        var taps = weights.size(1);
        var mixed = raw * Weight(0);
        for (var lag = 1L; lag < Math.Min(taps, tokens); lag++)
        {
            var earlier = cat([zeros([batch, lag, heads, headSize], raw.dtype, raw.device), raw.narrow(1, 0, tokens - lag)], 1);
            mixed = mixed + earlier * positions.gt(lag - 1).to(raw.dtype) * Weight(lag);
        }
        return mixed;

        Tensor Weight(long lag) => weights.narrow(1, taps - 1 - lag, 1).view(1, 1, heads, 1);
    }

    /// <summary>Rotates x [batch, tokens, heads, head_size] by positions [batch, tokens].</summary>
    public static Tensor Rotate(Tensor x, RotaryTable rotary, Tensor positions)
    {
        var half = x.size(3) / 2;
        var flat = positions.reshape(-1);
        var cosine = rotary.Cosine.index_select(0, flat).view(x.size(0), x.size(1), 1, half);
        var sine = rotary.Sine.index_select(0, flat).view(x.size(0), x.size(1), 1, half);
        var (first, second) = (x.narrow(3, 0, half), x.narrow(3, half, half));
        return cat([first * cosine - second * sine, second * cosine + first * sine], 3);
    }

    private static Tensor Forward(Tensor x, int heads, Tensor? weights, RotaryTable? rotary, TokenLayout layout)
    {
        var y = empty(x.size(0), x.size(1), x.dtype);
        KernelStatus.ThrowIfFailed(TransformerKernels.kvs_shift_rope_forward(KernelDataType.Of(x), layout.Batch, layout.Tokens, heads,
            x.size(1) / heads, TensorMemory.Address(x), x.size(1), TensorMemory.AddressOrNull(weights), weights?.size(1) ?? 0,
            layout.PositionsAddress, TensorMemory.AddressOrNull(rotary?.Cosine), TensorMemory.AddressOrNull(rotary?.Sine),
            TensorMemory.Address(y)));
        GC.KeepAlive(x);
        GC.KeepAlive(weights);
        GC.KeepAlive(layout);
        return y;
    }

    private static Tensor Backward(Tensor? x, Tensor dy, int heads, Tensor? weights, Tensor? dweights, RotaryTable? rotary,
        TokenLayout layout)
    {
        var dx = empty(dy.size(0), dy.size(1), dy.dtype);
        // Without a shift the input has no part in its own gradient; the kernel still wants an address.
        var input = x ?? dy;
        KernelStatus.ThrowIfFailed(TransformerKernels.kvs_shift_rope_backward(KernelDataType.Of(dy), layout.Batch, layout.Tokens, heads,
            dy.size(1) / heads, TensorMemory.Address(input), dy.size(1), TensorMemory.AddressOrNull(weights),
            weights?.size(1) ?? 0, layout.PositionsAddress, TensorMemory.AddressOrNull(rotary?.Cosine),
            TensorMemory.AddressOrNull(rotary?.Sine), TensorMemory.Address(dy), TensorMemory.Address(dx), dy.size(1),
            TensorMemory.AddressOrNull(dweights)));
        GC.KeepAlive(input);
        GC.KeepAlive(weights);
        GC.KeepAlive(layout);
        return dx;
    }

    private sealed class Fused : SingleTensorFunction<Fused>
    {
        public override string Name => "Rotate";

        public override Tensor forward(AutogradContext ctx, params object[] vars)
        {
            ctx.save_data("heads", vars[1]);
            ctx.save_data("rotary", vars[2]);
            ctx.save_data("layout", vars[3]);
            return Forward((Tensor)vars[0], (int)vars[1], null, (RotaryTable?)vars[2], (TokenLayout)vars[3]);
        }

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
        {
            var dx = Backward(null, grad_output.contiguous(), (int)ctx.get_data("heads"), null, null, (RotaryTable?)ctx.get_data("rotary"),
                (TokenLayout)ctx.get_data("layout"));
            return [dx, null!, null!, null!];
        }
    }

    private sealed class FusedWithShift : SingleTensorFunction<FusedWithShift>
    {
        public override string Name => "ShiftRotate";

        public override Tensor forward(AutogradContext ctx, params object[] vars)
        {
            var (x, weights) = ((Tensor)vars[0], (Tensor)vars[1]);
            ctx.save_for_backward([x, weights]);
            ctx.save_data("heads", vars[2]);
            ctx.save_data("rotary", vars[3]);
            ctx.save_data("layout", vars[4]);
            return Forward(x, (int)vars[2], weights, (RotaryTable?)vars[3], (TokenLayout)vars[4]);
        }

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
        {
            var saved = ctx.get_saved_variables();
            var dweights = empty(saved[1].size(0), saved[1].size(1), saved[1].dtype);
            var dx = Backward(saved[0], grad_output.contiguous(), (int)ctx.get_data("heads"), saved[1], dweights,
                (RotaryTable?)ctx.get_data("rotary"), (TokenLayout)ctx.get_data("layout"));
            return [dx, dweights, null!, null!, null!];
        }
    }
}
