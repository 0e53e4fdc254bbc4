using static TorchSharp.torch;

namespace KvShiftScale.Models;

/// <summary>
/// The last raw rows of one shifted projection of a cached sequence: what the windows of the tokens to come reach back to. (The
/// paper's listing keeps mixed rows there, which would make the first decoded token differ from a full forward pass.)
/// </summary>
public sealed class ShiftState : IDisposable
{
    // [taps - 1, heads, head_size], oldest first; zeros before the sequence begins.
    private readonly Tensor _last;

    public ShiftState(int taps, int heads, int headSize, ScalarType dtype, Device device)
    {
        _last = zeros([taps - 1, heads, headSize], dtype, device).DetachFromDisposeScope();
    }

    public void Dispose() => _last.Dispose();

    /// <summary>Mixes the next rows of the sequence and remembers the last of them.</summary>
    /// <param name="raw">[tokens, heads, head_size].</param>
    /// <param name="weights">[heads, taps], the last column for the current position.</param>
    internal Tensor Mix(Tensor raw, Tensor weights)
    {
        var (tokens, taps) = (raw.size(0), weights.size(1));
        var rows = cat([_last, raw], 0);
        var mixed = rows.narrow(0, 0, tokens) * weights.narrow(1, 0, 1).unsqueeze(0);
        for (var column = 1; column < taps; column++)
        {
            mixed = mixed + rows.narrow(0, column, tokens) * weights.narrow(1, column, 1).unsqueeze(0);
        }

        _last.copy_(rows.narrow(0, tokens, taps - 1));
        return mixed;
    }
}
