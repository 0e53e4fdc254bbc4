using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Layout;

/// <summary>
/// Which tokens belong together in a batch of rows: positions count from 0 at the first token of each document, so that the
/// document of token t begins at t - positions[t]. Attention, the KV shift and rotary angles all follow from it. Where ranks share
/// rows, it also says which tokens are this rank's own.
/// </summary>
public sealed class TokenLayout : IDisposable
{
    private readonly ContextRegion _region;
    private readonly Tensor? _ownNumbers;
    private TokenLayout? _own;

    /// <param name="batch">Rows.</param>
    /// <param name="tokens">Tokens in a row.</param>
    /// <param name="positions">int32 [batch * tokens] in host memory; the layout owns it from now on.</param>
    /// <param name="region">How ranks share rows; nothing given: this rank has all tokens.</param>
    public TokenLayout(int batch, int tokens, Tensor positions, ContextRegion? region = null)
    {
        if (positions.numel() != (long)batch * tokens)
        {
            throw new ArgumentException($"{positions.numel()} positions for {batch} rows of {tokens} tokens", nameof(positions));
        }

        Batch = batch;
        Tokens = tokens;
        Positions = positions;
        _region = region ?? ContextRegion.Whole();
        OwnParts = _region.PartsOf(tokens);
        if (_region.Size > 1)
        {
            _ownNumbers = _region.OwnNumbers(batch, tokens).DetachFromDisposeScope();
        }
    }

    /// <summary>Rows.</summary>
    public int Batch { get; }

    /// <summary>Tokens in a row.</summary>
    public int Tokens { get; }

    /// <summary>int32 [batch * tokens].</summary>
    public Tensor Positions { get; }

    /// <summary>The parts of each row that are this rank's own.</summary>
    public IReadOnlyList<(int Begin, int Count)> OwnParts { get; }

    /// <summary>Tokens of each row that are this rank's own.</summary>
    public int OwnTokens => OwnParts.Sum(part => part.Count);

    /// <summary>The layout of this rank's own tokens alone. Their positions are true, so that they can be rotated; their neighbours are not.</summary>
    public TokenLayout Own => _ownNumbers is null
        ? this
        : _own ??= new TokenLayout(Batch, OwnTokens, Positions.index_select(0, _ownNumbers).DetachFromDisposeScope());

    /// <summary>This rank's own of x [batch * tokens, ...].</summary>
    public Tensor TakeOwn(Tensor x) => _ownNumbers is null ? x : x.index_select(0, _ownNumbers);

    /// <summary>[batch * own tokens, columns] of every rank to [batch * tokens, columns].</summary>
    public Tensor Gather(Tensor own) => _region.Gather(own, Batch, Tokens);

    internal nint PositionsAddress => TensorMemory.Address(Positions);

    /// <summary>
    /// What the queries <paramref name="first"/> .. <paramref name="first"/> + <paramref name="count"/> - 1 of each row may see: the
    /// first key of any of them, and bool [batch, 1, 1, count, keys], true where the query does not see the key, over the keys from
    /// there to the last query's own. Only composed operations build it, a block at a time; the fused kernels read
    /// <see cref="Positions"/>.
    /// </summary>
    internal (int FirstKey, Tensor Hidden) Mask(int first, int count, int window, Device device)
    {
        using var scope = NewDisposeScope();
        var positions = Positions.to(int64).view(Batch, Tokens).narrow(1, first, count);
        var place = arange(first, first + count, int64).view(1, count);
        // A window of 0 is all of the document so far.
        var start = place - (window == 0 ? positions : positions.masked_fill(positions.gt(window - 1), window - 1));
        // Documents lie in order and windows slide: the first query sees the first key.
        var firstKey = (int)-(-start.narrow(1, 0, 1)).max().item<long>();
        var key = arange(firstKey, first + count, int64).view(1, 1, first + count - firstKey);
        var visible = key.le(place.view(1, count, 1)) & start.view(Batch, count, 1).le(key);
        return (firstKey, visible.eq(0).view(Batch, 1, 1, count, first + count - firstKey).to(device).MoveToOuterDisposeScope());
    }

    public void Dispose()
    {
        Positions.Dispose();
        _ownNumbers?.Dispose();
        _own?.Dispose();
    }
}
