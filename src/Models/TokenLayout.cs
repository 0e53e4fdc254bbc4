using KvShiftScale.Parallel.Native;
using static TorchSharp.torch;

namespace KvShiftScale.Models;

/// <summary>
/// Which tokens belong together in a batch of rows: positions count from 0 at the first token of each document, so that the
/// document of token t begins at t - positions[t]. Attention, the KV shift and rotary angles all follow from it.
/// </summary>
public sealed class TokenLayout : IDisposable
{
    private readonly Dictionary<int, Tensor> _visible = [];

    /// <param name="batch">Rows.</param>
    /// <param name="tokens">Tokens in a row.</param>
    /// <param name="positions">int32 [batch * tokens] in host memory; the layout owns it from now on.</param>
    public TokenLayout(int batch, int tokens, Tensor positions)
    {
        if (positions.numel() != (long)batch * tokens)
            throw new ArgumentException($"{positions.numel()} positions for {batch} rows of {tokens} tokens", nameof(positions));
        Batch = batch;
        Tokens = tokens;
        Positions = positions;
    }

    /// <summary>Rows.</summary>
    public int Batch { get; }

    /// <summary>Tokens in a row.</summary>
    public int Tokens { get; }

    /// <summary>int32 [batch * tokens].</summary>
    public Tensor Positions { get; }

    internal nint PositionsAddress => TensorMemory.Address(Positions);

    /// <summary>
    /// bool [batch, 1, tokens, tokens]: query t sees key s. Only the path of composed operations materialises it; the fused
    /// kernels read <see cref="Positions"/>. A window of 0 is all of the document so far.
    /// </summary>
    internal Tensor Visible(Device device, int window)
    {
        if (_visible.TryGetValue(window, out var known)) return known;
        using var scope = NewDisposeScope();
        var place = arange(Tokens, int64).view(1, Tokens);
        var start = place - Positions.to(int64).view(Batch, Tokens);
        var key = place.view(1, 1, Tokens);
        var causal = key.le(place.view(1, Tokens, 1));
        var sameDocument = start.view(Batch, Tokens, 1).le(key);
        var seen = causal & sameDocument;
        if (window > 0) seen &= place.view(1, Tokens, 1).lt(key + window);
        return _visible[window] = seen.view(Batch, 1, Tokens, Tokens).to(device).DetachFromDisposeScope();
    }

    public void Dispose()
    {
        Positions.Dispose();
        foreach (var visible in _visible.Values) visible.Dispose();
    }
}
