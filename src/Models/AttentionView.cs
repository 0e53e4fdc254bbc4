using KvShiftScale.Models.Layout;
using static TorchSharp.torch;

namespace KvShiftScale.Models;

/// <summary>What this rank's heads of one layer see in a batch, to look at: never part of a training step. Its tensors belong to the dispose scope of the observer.</summary>
internal sealed class AttentionView
{
    /// <summary>[batch, tokens, heads, head_size], rotated.</summary>
    public required Tensor Query { get; init; }

    /// <summary>[batch, tokens, kv_heads, head_size], mixed by the shift and rotated.</summary>
    public required Tensor Key { get; init; }

    /// <summary>[batch, tokens, kv_heads, head_size] as projected, before the shift.</summary>
    public required Tensor Value { get; init; }

    /// <summary>[hidden_size, heads * head_size]: writes the heads' results into the residual stream.</summary>
    public required Tensor Output { get; init; }

    /// <summary>Rows, tokens and documents.</summary>
    public required TokenLayout Layout { get; init; }

    /// <summary>Keys that a query sees, its own counted; 0 is all of its document so far.</summary>
    public required int Window { get; init; }

    /// <summary>
    /// Weights with which a key is mixed, [kv_heads, positions], oldest position first, the token itself last; null where keys are not shifted.
    /// </summary>
    public required Tensor? KeyShift { get; init; }

    /// <summary>As <see cref="KeyShift"/>, for values.</summary>
    public required Tensor? ValueShift { get; init; }

    /// <summary>Query heads of all ranks that divide the layer.</summary>
    public required int AllHeads { get; init; }

    /// <summary>Key and value heads of all these ranks, each counted once.</summary>
    public required int AllKvHeads { get; init; }

    /// <summary>Number of this rank's first query head.</summary>
    public required int FirstHead { get; init; }

    /// <summary>Number of this rank's first key and value head.</summary>
    public required int FirstKvHead { get; init; }

    /// <summary>Of the ranks that hold the same key and value heads, this is the first.</summary>
    public required bool IsFirstOfKvHead { get; init; }

    /// <summary>Query heads of this rank.</summary>
    public int Heads => (int)Query.size(2);

    /// <summary>Key and value heads of this rank.</summary>
    public int KvHeads => (int)Key.size(2);

    /// <summary>Attention probabilities [batch, heads, count, tokens] of the queries at <paramref name="start"/> and the ones after it.</summary>
    public Tensor Probabilities(int start, int count)
    {
        var query = Wide(Query.narrow(1, start, count)).transpose(1, 2);
        var scores = query.matmul(PerHead(Wide(Key)).transpose(2, 3)) * (1 / Math.Sqrt(Query.size(3)));
        return scores.masked_fill(Visible(start, count).eq(0), double.NegativeInfinity).softmax(-1);
    }

    // bool [batch, 1, count, tokens]: query t sees key s.
    private Tensor Visible(int start, int count)
    {
        var place = arange(Layout.Tokens, int64).view(1, Layout.Tokens);
        var documentStart = (place - Layout.Positions.to(int64).view(Layout.Batch, Layout.Tokens)).narrow(1, start, count);
        var query = place.narrow(1, start, count).view(1, count, 1);
        var key = place.view(1, 1, Layout.Tokens);
        var visible = key.le(query) & documentStart.view(Layout.Batch, count, 1).le(key);
        if (Window > 0)
        {
            visible &= query.lt(key + Window);
        }

        return visible.unsqueeze(1).to(Query.device);
    }

    /// <summary>[batch, tokens, kv_heads, n] to [batch, heads, tokens, n]: each kv head once for every query head that reads it.</summary>
    public Tensor PerHead(Tensor x)
    {
        var (batch, tokens, size) = (x.size(0), x.size(1), x.size(3));
        return x.transpose(1, 2).unsqueeze(2).expand(batch, KvHeads, Heads / KvHeads, tokens, size).reshape(batch, Heads, tokens, size);
    }

    /// <summary>Scores are computed in float32 at least.</summary>
    public static Tensor Wide(Tensor x) => x.dtype == ScalarType.Float64 ? x : x.to(ScalarType.Float32);
}
