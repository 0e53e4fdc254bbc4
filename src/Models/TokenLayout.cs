using KvShiftScale.Parallel.Native;
using static TorchSharp.torch;

namespace KvShiftScale.Models;

/// <summary>
/// Which tokens belong together in a batch of rows: positions count from 0 at the first token of each document, so that the
/// document of token t begins at t - positions[t]. Attention, the KV shift and rotary angles all follow from it.
/// </summary>
public sealed class TokenLayout : IDisposable
{
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
    /// What the queries <paramref name="first"/> .. <paramref name="first"/> + <paramref name="count"/> - 1 of each row may see: the
    /// first key of any of them, and bool [batch, 1, 1, count, keys], true where the query does not see the key, over the keys from
    /// there to the last query's own. Only composed operations build it, a block at a time; the fused kernels read
    /// <see cref="Positions"/>.
    /// </summary>
    internal (int FirstKey, Tensor Hidden) Mask(int first, int count, Device device)
    {
        using var scope = NewDisposeScope();
        var positions = Positions.to(int64).view(Batch, Tokens).narrow(1, first, count);
        var place = arange(first, first + count, int64).view(1, count);
        var start = place - positions;
        // Documents lie in order: the first query's begins before those of the others.
        var firstKey = (int)-(-start.narrow(1, 0, 1)).max().item<long>();
        var key = arange(firstKey, first + count, int64).view(1, 1, first + count - firstKey);
        var visible = key.le(place.view(1, count, 1)) & start.view(Batch, count, 1).le(key);
        return (firstKey, visible.eq(0).view(Batch, 1, 1, count, first + count - firstKey).to(device).MoveToOuterDisposeScope());
    }

    public void Dispose() => Positions.Dispose();
}
