using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Kernels;

/// <summary>Shift and rotation composed of libtorch's operations: <see cref="IKernels.ShiftRotate"/>.</summary>
internal static class ComposedShift
{
    public static Tensor Forward(Tensor x, int heads, Tensor? weights, RotaryTable? rotary, PackedRows rows)
    {
        var raw = x.view(rows.Batch, rows.Tokens, heads, x.size(1) / heads);
        var positions = rows.Positions.to(x.device);
        var mixed = weights is null ? raw : Mixed(raw, weights.to(x.dtype), positions.view(rows.Batch, rows.Tokens, 1, 1));
        if (rotary is not null)
        {
            mixed = rotary.Rotate(mixed, positions.view(rows.Batch, rows.Tokens));
        }

        return mixed.reshape(x.size(0), x.size(1));
    }

    /// <summary>Sums of shares and over tokens in the type <paramref name="wide"/>.</summary>
    public static (Tensor X, Tensor? Weights) Backward(Tensor? x, Tensor dy, int heads, Tensor? weights, RotaryTable? rotary, PackedRows rows,
        ScalarType wide)
    {
        using var scope = NewDisposeScope();
        var dmixed = dy.view(rows.Batch, rows.Tokens, heads, dy.size(1) / heads).to(wide);
        var positions = rows.Positions.to(dy.device);
        if (rotary is not null)
        {
            dmixed = rotary.Rotate(dmixed, positions.view(rows.Batch, rows.Tokens), back: true);
        }

        if (weights is null)
        {
            return (Flat(dmixed), null);
        }

        var (raw, taps) = (x!.view(rows.Batch, rows.Tokens, heads, dy.size(1) / heads).to(wide), weights.size(1));
        var wideWeights = weights.to(wide);
        var dweights = zeros([heads, taps], weights.dtype, weights.device);
        var dx = dmixed * Column(wideWeights, 0);
        PutWeights(0, dmixed * raw);
        for (var lag = 1L; lag < Math.Min(taps, rows.Tokens); lag++)
        {
            var seen = dmixed * positions.gt(lag - 1).to(wide).view(rows.Batch, rows.Tokens, 1, 1);
            dx = dx + Later(seen, lag) * Column(wideWeights, lag);
            PutWeights(lag, seen * Earlier(raw, lag));
        }

        return (Flat(dx), dweights.MoveToOuterDisposeScope());

        Tensor Flat(Tensor gradient) => gradient.reshape(dy.size(0), dy.size(1)).to(dy.dtype).MoveToOuterDisposeScope();

        // Of each head the sum over tokens and channels.
        void PutWeights(long lag, Tensor products)
            => dweights.narrow(1, taps - 1 - lag, 1).copy_(products.sum(dim: 3).sum(dim: 1).sum(dim: 0).view(heads, 1));
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
}
