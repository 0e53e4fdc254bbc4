using KvShiftScale.Models.Native;
using KvShiftScale.Parallel.Native;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Models.Operations;

/// <summary>
/// The KV shift (paper section 2.2) and the rotary embedding, in that order:
/// mixed_t = shift[h, 1] x_t + shift[h, 0] x_(t-1), where a document's first token has no previous one, then the rotation by
/// the token's position. Either part may be absent: queries are only rotated, values only shifted.
/// </summary>
internal static class ShiftRotateOperation
{
    /// <param name="x">[batch * tokens, heads * head_size].</param>
    /// <param name="heads">Heads in x.</param>
    /// <param name="shift">[heads, 2], column 0 for the previous token; null: no shift.</param>
    /// <param name="rotary">null: no rotation.</param>
    /// <param name="layout">Rows, tokens and documents.</param>
    public static Tensor Apply(Tensor x, int heads, ParameterSlot? shift, RotaryTable? rotary, TokenLayout layout)
    {
        if (!KernelDataType.Supports(x)) return Composed(x, heads, shift, rotary, layout);
        return shift is null
            ? Fused.apply(x, heads, rotary!, layout)
            : FusedWithShift.apply(x, shift.Parameter, heads, rotary!, layout, shift);
    }

    // In the composed path positions may live on another device than the layout's.
    private static Tensor Composed(Tensor x, int heads, ParameterSlot? shift, RotaryTable? rotary, TokenLayout layout)
    {
        var headSize = x.size(1) / heads;
        var mixed = x.view(layout.Batch, layout.Tokens, heads, headSize);
        var positions = layout.Positions.to(x.device);
        if (shift is not null)
        {
            var scalars = shift.AsInput().to(x.dtype);
            var hasPrevious = positions.gt(0).to(x.dtype).view(layout.Batch, layout.Tokens, 1, 1);
            var previous = cat([zeros([layout.Batch, 1, heads, headSize], x.dtype, x.device), mixed.narrow(1, 0, layout.Tokens - 1)], 1);
            mixed = mixed * scalars.narrow(1, 1, 1).view(1, 1, heads, 1)
                + previous * hasPrevious * scalars.narrow(1, 0, 1).view(1, 1, heads, 1);
        }
        if (rotary is not null) mixed = Rotate(mixed, rotary, positions.view(layout.Batch, layout.Tokens));
        return mixed.reshape(x.size(0), x.size(1));
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

    private static Tensor Forward(Tensor x, int heads, Tensor? shift, RotaryTable? rotary, TokenLayout layout)
    {
        var y = empty(x.size(0), x.size(1), x.dtype);
        KernelStatus.ThrowIfFailed(TransformerKernels.kvs_shift_rope_forward(KernelDataType.Of(x), layout.Batch, layout.Tokens, heads,
            x.size(1) / heads, TensorMemory.Address(x), x.size(1), TensorMemory.AddressOrNull(shift), layout.PositionsAddress,
            TensorMemory.AddressOrNull(rotary?.Cosine), TensorMemory.AddressOrNull(rotary?.Sine), TensorMemory.Address(y)));
        GC.KeepAlive(x);
        GC.KeepAlive(shift);
        GC.KeepAlive(layout);
        return y;
    }

    private static Tensor Backward(Tensor? x, Tensor dy, int heads, Tensor? shift, Tensor? dshift, RotaryTable? rotary, TokenLayout layout)
    {
        var dx = empty(dy.size(0), dy.size(1), dy.dtype);
        // Without a shift the input has no part in its own gradient; the kernel still wants an address.
        var input = x ?? dy;
        KernelStatus.ThrowIfFailed(TransformerKernels.kvs_shift_rope_backward(KernelDataType.Of(dy), layout.Batch, layout.Tokens, heads,
            dy.size(1) / heads, TensorMemory.Address(input), dy.size(1), TensorMemory.AddressOrNull(shift), layout.PositionsAddress,
            TensorMemory.AddressOrNull(rotary?.Cosine), TensorMemory.AddressOrNull(rotary?.Sine), TensorMemory.Address(dy),
            TensorMemory.Address(dx), dy.size(1), TensorMemory.AddressOrNull(dshift)));
        GC.KeepAlive(input);
        GC.KeepAlive(shift);
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
            var (x, shift) = ((Tensor)vars[0], (Tensor)vars[1]);
            ctx.save_for_backward([x, shift]);
            ctx.save_data("heads", vars[2]);
            ctx.save_data("rotary", vars[3]);
            ctx.save_data("layout", vars[4]);
            ctx.save_data("slot", vars[5]);
            return Forward(x, (int)vars[2], shift, (RotaryTable?)vars[3], (TokenLayout)vars[4]);
        }

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
        {
            var saved = ctx.get_saved_variables();
            var dshift = empty(saved[1].size(0), 2, saved[1].dtype);
            var dx = Backward(saved[0], grad_output.contiguous(), (int)ctx.get_data("heads"), saved[1], dshift,
                (RotaryTable?)ctx.get_data("rotary"), (TokenLayout)ctx.get_data("layout"));
            ((ParameterSlot)ctx.get_data("slot")).Accumulate(dshift);
            return [dx, null!, null!, null!, null!, null!];
        }
    }
}
