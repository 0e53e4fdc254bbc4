using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Kernels;

/// <summary>
/// Cosines and sines of the rotary embedding, [positions, head_size / 2]: the angle of pair i at position t is
/// t * base^(-2i / head_size). Pairs are (i, i + head_size / 2), the rotate-half convention.
/// </summary>
public sealed class RotaryTable : IDisposable
{
    public RotaryTable(int positions, int headSize, double ropeBase, ScalarType dtype, Device device)
    {
        var half = headSize / 2;
        var cosine = new double[(long)positions * half];
        var sine = new double[cosine.Length];
        for (var pair = 0; pair < half; pair++)
        {
            var frequency = Math.Pow(ropeBase, -2.0 * pair / headSize);
            for (var position = 0; position < positions; position++)
            {
                // Angles in float64: at position 100,000 a float32 product is off by 0.004 radians.
                var (sin, cos) = Math.SinCos(position * frequency);
                cosine[position * half + pair] = cos;
                sine[position * half + pair] = sin;
            }
        }
        Positions = positions;
        Cosine = Table(cosine, positions, half, dtype, device);
        Sine = Table(sine, positions, half, dtype, device);
    }

    /// <summary>Rows of the table: the longest document window.</summary>
    public int Positions { get; }

    /// <summary>[positions, head_size / 2].</summary>
    public Tensor Cosine { get; }

    /// <summary>[positions, head_size / 2].</summary>
    public Tensor Sine { get; }

    /// <summary>Rotates x [batch, tokens, heads, head_size] by positions [batch, tokens] in operations of libtorch, or back.</summary>
    public Tensor Rotate(Tensor x, Tensor positions, bool back = false)
    {
        var half = x.size(3) / 2;
        var flat = positions.reshape(-1);
        var cosine = Cosine.index_select(0, flat).view(x.size(0), x.size(1), 1, half);
        var sine = Sine.index_select(0, flat).view(x.size(0), x.size(1), 1, half);
        if (back)
        {
            sine = -sine;
        }

        var (first, second) = (x.narrow(3, 0, half), x.narrow(3, half, half));
        return cat([first * cosine - second * sine, second * cosine + first * sine], 3);
    }

    public void Dispose()
    {
        Cosine.Dispose();
        Sine.Dispose();
    }

    private static Tensor Table(double[] values, int positions, int half, ScalarType dtype, Device device)
    {
        using var scope = NewDisposeScope();
        return tensor(values).view(positions, half).to(dtype, device).DetachFromDisposeScope();
    }
}
