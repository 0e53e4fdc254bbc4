using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Layout;

/// <summary>
/// Which tokens belong together in a batch of rows. Attention, the KV shift and rotary angles all follow from it. Where ranks share
/// rows, it also says which tokens are this rank's own.
/// </summary>
public sealed class TokenLayout : PackedRows
{
    private readonly ContextRegion? _region;
    private readonly Tensor? _ownNumbers;
    private TokenLayout? _own;

    /// <param name="batch">Rows.</param>
    /// <param name="tokens">Tokens in a row.</param>
    /// <param name="positions">int32 [batch * tokens] in host memory; the layout owns it from now on.</param>
    /// <param name="region">How ranks share rows; nothing given: this rank has all tokens.</param>
    public TokenLayout(int batch, int tokens, Tensor positions, ContextRegion? region = null)
        : base(batch, tokens, positions, region?.PartsOf(tokens) ?? [(0, tokens)])
    {
        _region = region;
        if (region is { Size: > 1 })
        {
            _ownNumbers = region.OwnNumbers(batch, tokens).DetachFromDisposeScope();
        }
    }

    /// <summary>The layout of this rank's own tokens alone. Their positions are true, so that they can be rotated; their neighbours are not.</summary>
    public TokenLayout Own => _ownNumbers is null
        ? this
        : _own ??= new TokenLayout(Batch, OwnTokens, Positions.index_select(0, _ownNumbers).DetachFromDisposeScope());

    /// <summary>This rank's own of x [batch * tokens, ...].</summary>
    public Tensor TakeOwn(Tensor x) => _ownNumbers is null ? x : x.index_select(0, _ownNumbers);

    /// <summary>[batch * own tokens, columns] of every rank to [batch * tokens, columns].</summary>
    public Tensor Gather(Tensor own) => _region?.Gather(own, Batch, Tokens) ?? own;

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _ownNumbers?.Dispose();
        _own?.Dispose();
    }
}
