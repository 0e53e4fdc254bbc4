using KvShiftScale.Models.Kernels;
using KvShiftScale.Models.Layout;
using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Native;
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
    /// <param name="x">[batch * tokens, heads * head_size].</param>
    /// <param name="heads">Heads in x.</param>
    /// <param name="weights">[heads, taps], the last column for the current token; null: no shift.</param>
    /// <param name="rotary">null: no rotation.</param>
    /// <param name="layout">Rows, tokens and documents.</param>
    /// <param name="remade">
    /// Whether users of what is shifted make it again in backward, from x. What is only rotated is kept: nothing else needs its x.
    /// </param>
    public static Activation Apply(Tensor x, int heads, Tensor? weights, RotaryTable? rotary, TokenLayout layout, bool remade = false)
    {
        if (weights is null)
        {
            return Rotation.apply(x, heads, rotary!, layout);
        }

        var y = ShiftAndRotation.apply(x, weights, heads, rotary!, layout);
        return remade ? Activation.Remade(y, [x, weights], origin => Forward(origin[0], heads, origin[1], rotary, layout)) : y;
    }

    /// <summary>Rotates x [batch, tokens, heads, head_size] by positions [batch, tokens].</summary>
    public static Tensor Rotate(Tensor x, RotaryTable rotary, Tensor positions) => Rotate(x, rotary, positions, back: false);

    private static Tensor Rotate(Tensor x, RotaryTable rotary, Tensor positions, bool back)
    {
        var half = x.size(3) / 2;
        var flat = positions.reshape(-1);
        var cosine = rotary.Cosine.index_select(0, flat).view(x.size(0), x.size(1), 1, half);
        var sine = rotary.Sine.index_select(0, flat).view(x.size(0), x.size(1), 1, half);
        if (back)
        {
            sine = -sine;
        }

        var (first, second) = (x.narrow(3, 0, half), x.narrow(3, half, half));
        return cat([first * cosine - second * sine, second * cosine + first * sine], 3);
    }

    private static Tensor Forward(Tensor x, int heads, Tensor? weights, RotaryTable? rotary, TokenLayout layout)
    {
        if (!KernelDataType.Supports(x))
        {
            return ComposedForward(x, heads, weights, rotary, layout);
        }

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

    // In the composed path positions may live on another device than the layout's.
    private static Tensor ComposedForward(Tensor x, int heads, Tensor? weights, RotaryTable? rotary, TokenLayout layout)
    {
        var raw = x.view(layout.Batch, layout.Tokens, heads, x.size(1) / heads);
        var positions = layout.Positions.to(x.device);
        var mixed = weights is null ? raw : Mixed(raw, weights.to(x.dtype), positions.view(layout.Batch, layout.Tokens, 1, 1));
        if (rotary is not null)
        {
            mixed = Rotate(mixed, rotary, positions.view(layout.Batch, layout.Tokens));
        }

        return mixed.reshape(x.size(0), x.size(1));
    }

    private static Tensor Mixed(Tensor raw, Tensor weights, Tensor positions)
    {
        var taps = weights.size(1);
        var mixed = raw * Column(weights, 0);
        for (var lag = 1L; lag < Math.Min(taps, raw.size(1)); lag++)
        {
            mixed = mixed + Earlier(raw, lag) * positions.gt(lag - 1).to(raw.dtype) * Column(weights, lag);
        }

        return mixed;
    }

    // [1, 1, heads, 1]: the weights of the token that lies lag tokens back.
    private static Tensor Column(Tensor weights, long lag) => weights.narrow(1, weights.size(1) - 1 - lag, 1).view(1, 1, weights.size(0), 1);

    // Of each token the one lag tokens back, zeros at the front.
    private static Tensor Earlier(Tensor x, long lag)
        => cat([zeros([x.size(0), lag, x.size(2), x.size(3)], x.dtype, x.device), x.narrow(1, 0, x.size(1) - lag)], 1);

    // Of each token the one lag tokens on, zeros at the end.
    private static Tensor Later(Tensor x, long lag)
        => cat([x.narrow(1, lag, x.size(1) - lag), zeros([x.size(0), lag, x.size(2), x.size(3)], x.dtype, x.device)], 1);

    private static Tensor Backward(Tensor? x, Tensor dy, int heads, Tensor? weights, Tensor? dweights, RotaryTable? rotary,
        TokenLayout layout)
    {
        if (!KernelDataType.Supports(dy))
        {
            return ComposedBackward(x, dy, heads, weights, dweights, rotary, layout);
        }

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

    private static Tensor ComposedBackward(Tensor? x, Tensor dy, int heads, Tensor? weights, Tensor? dweights, RotaryTable? rotary,
        TokenLayout layout)
    {
        using var scope = NewDisposeScope();
        // Sums of shares and over tokens in float32 at least.
        var wide = dy.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        var dmixed = dy.view(layout.Batch, layout.Tokens, heads, dy.size(1) / heads).to(wide);
        var positions = layout.Positions.to(dy.device);
        if (rotary is not null)
        {
            dmixed = Rotate(dmixed, rotary, positions.view(layout.Batch, layout.Tokens), back: true);
        }

        var dx = dmixed;
        if (weights is not null)
        {
            var (raw, taps) = (x!.view(layout.Batch, layout.Tokens, heads, dy.size(1) / heads).to(wide), weights.size(1));
            var wideWeights = weights.to(wide);
            dweights!.zero_();
            dx = dmixed * Column(wideWeights, 0);
            PutWeights(0, dmixed * raw);
            for (var lag = 1L; lag < Math.Min(taps, layout.Tokens); lag++)
            {
                var seen = dmixed * positions.gt(lag - 1).to(wide).view(layout.Batch, layout.Tokens, 1, 1);
                dx = dx + Later(seen, lag) * Column(wideWeights, lag);
                PutWeights(lag, seen * Earlier(raw, lag));
            }
        }
        return dx.reshape(dy.size(0), dy.size(1)).to(dy.dtype).MoveToOuterDisposeScope();

        // Of each head the sum over tokens and channels.
        void PutWeights(long lag, Tensor products)
            => dweights.narrow(1, dweights.size(1) - 1 - lag, 1).copy_(products.sum(dim: 3).sum(dim: 1).sum(dim: 0).view(heads, 1));
    }

    private sealed class Rotation : SingleResultFunction<Rotation>
    {
        public override string Name => "Rotate";

        protected override Tensor Compute(AutogradContext context, object[] arguments)
        {
            context.save_data("heads", arguments[1]);
            context.save_data("rotary", arguments[2]);
            context.save_data("layout", arguments[3]);
            return Forward((Tensor)arguments[0], (int)arguments[1], null, (RotaryTable?)arguments[2], (TokenLayout)arguments[3]);
        }

        protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
        {
            var dx = Backward(null, gradient.contiguous(), (int)context.get_data("heads"), null, null, (RotaryTable?)context.get_data("rotary"),
                (TokenLayout)context.get_data("layout"));
            return [dx, null, null, null];
        }
    }

    private sealed class ShiftAndRotation : SingleResultFunction<ShiftAndRotation>
    {
        public override string Name => "ShiftRotate";

        protected override Tensor Compute(AutogradContext context, object[] arguments)
        {
            var (x, weights) = ((Tensor)arguments[0], (Tensor)arguments[1]);
            context.save_for_backward([x, weights]);
            context.save_data("heads", arguments[2]);
            context.save_data("rotary", arguments[3]);
            context.save_data("layout", arguments[4]);
            return Forward(x, (int)arguments[2], weights, (RotaryTable?)arguments[3], (TokenLayout)arguments[4]);
        }

        protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
        {
            var saved = context.get_saved_variables();
            var dweights = empty([saved[1].size(0), saved[1].size(1)], saved[1].dtype, saved[1].device);
            var dx = Backward(saved[0], gradient.contiguous(), (int)context.get_data("heads"), saved[1], dweights,
                (RotaryTable?)context.get_data("rotary"), (TokenLayout)context.get_data("layout"));
            return [dx, dweights, null, null, null];
        }
    }
}
