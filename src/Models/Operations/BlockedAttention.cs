using KvShiftScale.Models.Configuration;
using KvShiftScale.Models.Layout;
using KvShiftScale.Parallel.Autograd;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Models.Operations;

/// <summary>
/// <see cref="AttentionOperation"/> composed of libtorch's operations, for tensors that the kernels do not take. It goes through the
/// queries in blocks and computes a block's scores again in backward, so that memory grows with the tokens of a row and not with
/// their square. Keys before the block's documents are left out. Scores are softmaxed in float32 at least.
/// </summary>
internal sealed class BlockedAttention : SingleResultFunction<BlockedAttention>
{
    // Queries that are scored together. Scores are [batch, heads, block, keys]: 16 heads over 16,384 keys are 128 MiB in float32.
    private const int Block = 128;

    public override string Name => nameof(BlockedAttention);

    /// <inheritdoc/>
    /// <remarks>arguments: query, key, value, shape and layout of <see cref="AttentionOperation.Apply"/>, <see cref="AttentionInputs"/>.</remarks>
    protected override Tensor Compute(AutogradContext context, object[] arguments)
    {
        var call = new Call((Tensor)arguments[0], (Tensor)arguments[1], (Tensor)arguments[2], (AttentionShape)arguments[3], (TokenLayout)arguments[4]);
        var inputs = (AttentionInputs)arguments[5];
        context.save_for_backward([.. inputs.Keep()]);
        context.save_data("inputs", inputs);
        context.save_data("shape", arguments[3]);
        context.save_data("layout", arguments[4]);
        var output = empty([call.Query.size(0), call.Query.size(1)], call.Query.dtype, call.Query.device);
        foreach (var (first, count, own) in call.Blocks())
        {
            using var scope = NewDisposeScope();
            var (firstKey, probabilities) = call.Probabilities(first, count, own);
            call.PutQueries(output, own, count, probabilities.to(output.dtype).matmul(call.Keys(call.Value, firstKey, first + count)));
        }
        return output;
    }

    protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
    {
        var inputs = (AttentionInputs)context.get_data("inputs");
        var (query, key, value) = inputs.Take(new Queue<Tensor>(context.get_saved_variables()));
        var call = new Call(query, key, value, (AttentionShape)context.get_data("shape"), (TokenLayout)context.get_data("layout"));
        var dtype = call.Query.dtype;
        var doutput = gradient.contiguous();
        var dquery = empty([call.Query.size(0), call.Query.size(1)], dtype, call.Query.device);
        // Sums over blocks, hence in the wider type.
        var dkey = zeros([call.Key.size(0), call.Key.size(1)], call.ScoreType, call.Query.device);
        var dvalue = zeros([call.Key.size(0), call.Key.size(1)], call.ScoreType, call.Query.device);
        foreach (var (first, count, own) in call.Blocks())
        {
            using var scope = NewDisposeScope();
            var (firstKey, p) = call.Probabilities(first, count, own);
            var (q, k, v) = (call.Queries(call.Query, own, count), call.Keys(call.Key, firstKey, first + count),
                call.Keys(call.Value, firstKey, first + count));
            var d = call.Queries(doutput, own, count);
            var dp = d.matmul(v.transpose(2, 3)).to(call.ScoreType);
            // Of softmax: p * (dp - sum of p * dp).
            var ds = (p * (dp - (p * dp).sum(-1, keepdim: true)) * call.Scale).to(dtype);
            call.PutQueries(dquery, own, count, ds.matmul(k));
            call.Keys(dkey, firstKey, first + count).add_(ds.transpose(2, 3).matmul(q));
            call.Keys(dvalue, firstKey, first + count).add_(p.to(dtype).transpose(2, 3).matmul(d));
        }
        inputs.Release();
        return [dquery, dkey.to(dtype), dvalue.to(dtype), null, null, null];
    }

    /// <summary>The tensors of one call and their views by kv head: [batch, kv_heads, group * queries or keys, head_size].</summary>
    private readonly record struct Call(Tensor Query, Tensor Key, Tensor Value, AttentionShape Shape, TokenLayout Layout)
    {
        public ScalarType ScoreType => Query.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;

        public double Scale => 1 / Math.Sqrt(HeadSize);

        private int KvHeads => Shape.KvHeads;

        private long HeadSize => Shape.HeadSize;

        private int Group => Shape.Heads / Shape.KvHeads;

        /// <summary>Blocks of queries: the first's place in its row and among this rank's own, and their number.</summary>
        public IEnumerable<(int First, int Count, int Own)> Blocks()
        {
            var own = 0;
            foreach (var (begin, count) in Layout.OwnParts)
            {
                for (var at = 0; at < count; at += Block)
                {
                    yield return (begin + at, Math.Min(Block, count - at), own + at);
                }

                own += count;
            }
        }

        public Tensor Queries(Tensor x, int first, int count) => ByToken(x, first, count).reshape(Layout.Batch, KvHeads, Group * count, HeadSize);

        public void PutQueries(Tensor x, int first, int count, Tensor values)
            => ByToken(x, first, count).copy_(values.view(Layout.Batch, KvHeads, Group, count, HeadSize));

        // A view, also of gradients that are added to.
        public Tensor Keys(Tensor x, int first, int end)
            => x.view(Layout.Batch, Layout.Tokens, KvHeads, HeadSize).narrow(1, first, end - first).transpose(1, 2);

        /// <summary>The first key, and the weights of the keys from there to the last query's own, in <see cref="ScoreType"/>.</summary>
        public (int FirstKey, Tensor Probabilities) Probabilities(int first, int count, int own)
        {
            var (firstKey, hidden) = Layout.Mask(first, count, Shape.Window, Query.device);
            var keys = first + count - firstKey;
            var scores = Queries(Query, own, count).matmul(Keys(Key, firstKey, first + count).transpose(2, 3)).to(ScoreType) * Scale;
            var probabilities = scores.view(Layout.Batch, KvHeads, Group, count, keys).masked_fill(hidden, double.NegativeInfinity).softmax(-1);
            return (firstKey, probabilities.view(Layout.Batch, KvHeads, Group * count, keys));
        }

        // [batch, kv_heads, group, count, head_size], a view.
        private Tensor ByToken(Tensor x, int first, int count) => x.view(Layout.Batch, Layout.OwnTokens, KvHeads, Group, HeadSize)
            .narrow(1, first, count).transpose(1, 2).transpose(2, 3);
    }
}
