using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Kernels;

/// <summary>
/// <see cref="IKernels.Attention"/> composed of libtorch's operations. It goes through the queries in blocks and computes a block's scores
/// again in backward, so that memory grows with the tokens of a row and not with their square. Keys before the block's documents are left out.
/// Views are by kv head: [batch, kv_heads, group * queries or keys, head_size].
/// </summary>
/// <param name="Query">[batch * own tokens, heads * head_size].</param>
/// <param name="Key">[batch * tokens, kv_heads * head_size].</param>
/// <param name="Value">As the key.</param>
/// <param name="Shape">Heads, kv heads, head size and window.</param>
/// <param name="Rows">Rows, tokens and documents.</param>
/// <param name="ScoreType">In which scores are softmaxed and gradients summed over blocks.</param>
internal readonly record struct BlockedAttention(Tensor Query, Tensor Key, Tensor Value, AttentionShape Shape, PackedRows Rows, ScalarType ScoreType)
{
    // Queries that are scored together. Scores are [batch, heads, block, keys]: 16 heads over 16,384 keys are 128 MiB in float32.
    private const int Block = 128;

    private double Scale => 1 / Math.Sqrt(Shape.HeadSize);

    private int Group => Shape.Heads / Shape.KvHeads;

    /// <summary>[batch * own tokens, heads * head_size].</summary>
    public Tensor Forward()
    {
        var output = empty([Query.size(0), Query.size(1)], Query.dtype, Query.device);
        foreach (var (first, count, own) in Blocks())
        {
            using var scope = NewDisposeScope();
            var (firstKey, probabilities) = Probabilities(first, count, own);
            PutQueries(output, own, count, probabilities.to(output.dtype).matmul(Keys(Value, firstKey, first + count)));
        }
        return output;
    }

    /// <summary>Gradients of query, key and value.</summary>
    public (Tensor Query, Tensor Key, Tensor Value) Backward(Tensor doutput)
    {
        var dtype = Query.dtype;
        var dquery = empty([Query.size(0), Query.size(1)], dtype, Query.device);
        // Sums over blocks, hence in the wider type.
        var dkey = zeros([Key.size(0), Key.size(1)], ScoreType, Query.device);
        var dvalue = zeros([Key.size(0), Key.size(1)], ScoreType, Query.device);
        foreach (var (first, count, own) in Blocks())
        {
            using var scope = NewDisposeScope();
            var (firstKey, p) = Probabilities(first, count, own);
            var (q, k, v) = (Queries(Query, own, count), Keys(Key, firstKey, first + count), Keys(Value, firstKey, first + count));
            var d = Queries(doutput, own, count);
            var dp = d.matmul(v.transpose(2, 3)).to(ScoreType);
            // Of softmax: p * (dp - sum of p * dp).
            var ds = (p * (dp - (p * dp).sum(-1, keepdim: true)) * Scale).to(dtype);
            PutQueries(dquery, own, count, ds.matmul(k));
            Keys(dkey, firstKey, first + count).add_(ds.transpose(2, 3).matmul(q));
            Keys(dvalue, firstKey, first + count).add_(p.to(dtype).transpose(2, 3).matmul(d));
        }
        return (dquery, dkey.to(dtype), dvalue.to(dtype));
    }

    // Blocks of queries: the first's place in its row and among this rank's own, and their number.
    private IEnumerable<(int First, int Count, int Own)> Blocks()
    {
        var own = 0;
        foreach (var (begin, count) in Rows.OwnParts)
        {
            for (var at = 0; at < count; at += Block)
            {
                yield return (begin + at, Math.Min(Block, count - at), own + at);
            }

            own += count;
        }
    }

    private Tensor Queries(Tensor x, int first, int count) => ByToken(x, first, count).reshape(Rows.Batch, Shape.KvHeads, Group * count, Shape.HeadSize);

    private void PutQueries(Tensor x, int first, int count, Tensor values)
        => ByToken(x, first, count).copy_(values.view(Rows.Batch, Shape.KvHeads, Group, count, Shape.HeadSize));

    // A view, also of gradients that are added to.
    private Tensor Keys(Tensor x, int first, int end)
        => x.view(Rows.Batch, Rows.Tokens, Shape.KvHeads, Shape.HeadSize).narrow(1, first, end - first).transpose(1, 2);

    // The first key, and the weights of the keys from there to the last query's own, in ScoreType.
    private (int FirstKey, Tensor Probabilities) Probabilities(int first, int count, int own)
    {
        var (firstKey, hidden) = Mask(first, count);
        var keys = first + count - firstKey;
        var scores = Queries(Query, own, count).matmul(Keys(Key, firstKey, first + count).transpose(2, 3)).to(ScoreType) * Scale;
        var probabilities = scores.view(Rows.Batch, Shape.KvHeads, Group, count, keys).masked_fill(hidden, double.NegativeInfinity).softmax(-1);
        return (firstKey, probabilities.view(Rows.Batch, Shape.KvHeads, Group * count, keys));
    }

    // What the queries first .. first + count - 1 of each row may see: the first key of any of them, and bool [batch, 1, 1, count, keys], true
    // where the query does not see the key, over the keys from there to the last query's own. Made in host memory, where positions are.
    private (int FirstKey, Tensor Hidden) Mask(int first, int count)
    {
        using var scope = NewDisposeScope();
        var positions = Rows.Positions.to(int64).view(Rows.Batch, Rows.Tokens).narrow(1, first, count);
        var place = arange(first, first + count, int64).view(1, count);
        // A window of 0 is all of the document so far.
        var start = place - (Shape.Window == 0 ? positions : positions.masked_fill(positions.gt(Shape.Window - 1), Shape.Window - 1));
        // Documents lie in order and windows slide: the first query sees the first key.
        var firstKey = (int)-(-start.narrow(1, 0, 1)).max().item<long>();
        var key = arange(firstKey, first + count, int64).view(1, 1, first + count - firstKey);
        var visible = key.le(place.view(1, count, 1)) & start.view(Rows.Batch, count, 1).le(key);
        return (firstKey, visible.eq(0).view(Rows.Batch, 1, 1, count, first + count - firstKey).to(Query.device).MoveToOuterDisposeScope());
    }

    // [batch, kv_heads, group, count, head_size], a view.
    private Tensor ByToken(Tensor x, int first, int count) => x.view(Rows.Batch, Rows.OwnTokens, Shape.KvHeads, Group, Shape.HeadSize)
        .narrow(1, first, count).transpose(1, 2).transpose(2, 3);
}
