using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Probing;

/// <summary>
/// Scores of a layer's heads on repeated sequences. A shifted head does not read the token that it attends to: attention A[t, j] brings the
/// values of j and of the tokens before it, so that token i reaches t with the weight E[t, i] = sum over lags n of b_n A[t, i + n], where b_n
/// weighs the value n positions back. All scores are taken on E; without a shift it is A.
/// </summary>
internal sealed class HeadScores
{
    // Below every sum of weights that a head with a value can have; keeps a head without one at a score of 0.
    private const double Nothing = 1e-30;

    private readonly Tensor _unembedding;
    private readonly int _length;
    private readonly ProcessGroup _group;

    /// <param name="unembedding">[batch * length, hidden_size]: what turns the residual stream into logits of the tokens of each first copy.</param>
    /// <param name="length">Tokens of one copy.</param>
    /// <param name="group">The ranks that divide the heads.</param>
    public HeadScores(Tensor unembedding, int length, ProcessGroup group)
    {
        _unembedding = AttentionView.Wide(unembedding);
        _length = length;
        _group = group;
    }

    /// <summary>Scores of all heads of one layer. Collective over the ranks that divide them.</summary>
    public LayerScores Of(AttentionView view)
    {
        using var scope = NewDisposeScope();
        var (keyShift, valueShift) = (Rows(view.KeyShift), Rows(view.ValueShift));
        var (prefixMatching, copying) = (PrefixMatching(view, valueShift), Copying(view, valueShift));
        return new LayerScores(
            OfAllRanks(prefixMatching, view.FirstHead, view.AllHeads, isCounted: true),
            OfAllRanks(copying, view.FirstHead, view.AllHeads, isCounted: true),
            OfAllRanks(keyShift, view),
            OfAllRanks(valueShift, view));
    }

    private float[][]? OfAllRanks(float[][]? rows, AttentionView view)
    {
        if (rows is null)
        {
            return null;
        }

        var width = rows[0].Length;
        var flat = OfAllRanks([.. rows.SelectMany(row => row)], view.FirstKvHead * width, view.AllKvHeads * width, view.IsFirstOfKvHead);
        return [.. flat.Chunk(width)];
    }

    // Adding zeros changes no bit of a float.
    private float[] OfAllRanks(float[] own, int start, int count, bool isCounted)
    {
        if (_group.Size == 1)
        {
            return own;
        }

        var all = new float[count];
        if (isCounted)
        {
            own.CopyTo(all, start);
        }

        _group.Sum<float>(all);
        return all;
    }

    // Queries t = length ... 2 length - 2; the token after the previous occurrence of t's is t - length + 1.
    private float[] PrefixMatching(AttentionView view, float[][]? valueShift)
    {
        var count = _length - 1;
        var attention = view.Probabilities(_length, count);
        var weight = (valueShift is null ? attention : ValueWeight(attention, valueShift, view)).abs();
        var wanted = arange(1, _length, ScalarType.Int64, weight.device).view(1, 1, count, 1).expand(weight.size(0), weight.size(1), count, 1);
        var share = weight.gather(3, wanted) / (weight.sum(3, keepdim: true) + Nothing);
        return Floats(share.mean([0, 2, 3]));
    }

    // E of the class's comment: attention [batch, heads, count, tokens] moved back by each lag.
    private static Tensor ValueWeight(Tensor attention, float[][] valueShift, AttentionView view)
    {
        var (tokens, window) = (attention.size(3), valueShift[0].Length);
        Tensor? sum = null;
        for (var column = 0; column < window; column++)
        {
            var lag = window - 1 - column;
            var perHead = Enumerable.Range(0, view.Heads).Select(head => (double)valueShift[head / (view.Heads / view.KvHeads)][column]).ToArray();
            var moved = attention.narrow(3, lag, tokens - lag);
            if (lag > 0)
            {
                var none = zeros([attention.size(0), attention.size(1), attention.size(2), lag], attention.dtype, attention.device);
                moved = cat([moved, none], 3);
            }
            moved = moved * tensor(perHead, attention.dtype, attention.device).view(1, view.Heads, 1, 1);
            sum = sum is null ? moved : sum + moved;
        }
        return sum!;
    }

    // For each token of a first copy: the share of the copy's other tokens whose logits its value raises less than its own.
    private float[] Copying(AttentionView view, float[][]? valueShift)
    {
        var (batch, headSize) = (view.Value.size(0), view.Value.size(3));
        var values = view.PerHead(AttentionView.Wide(view.Value.narrow(1, 0, _length)));
        var readers = _unembedding.matmul(AttentionView.Wide(view.Output)).view(batch, _length, view.Heads, headSize).transpose(1, 2);
        // [batch, heads, token read, token raised]
        var logits = values.matmul(readers.transpose(2, 3));
        var own = arange(0, _length, ScalarType.Int64, logits.device).view(1, 1, _length, 1).expand(batch, view.Heads, _length, 1);
        var ownLogit = logits.gather(3, own);
        var below = logits.lt(ownLogit).sum(3, type: logits.dtype);
        // Ties count half; the token ties with itself.
        var ties = logits.eq(ownLogit).sum(3, type: logits.dtype) - 1;
        var fractions = Floats(((below + ties * 0.5) / (_length - 1.0)).mean([0, 2]));
        for (var head = 0; head < fractions.Length && valueShift is not null; head++)
        {
            // A value that enters with a negative weight lowers what it would raise.
            var weights = valueShift[head / (view.Heads / view.KvHeads)];
            var total = weights.Sum(Math.Abs);
            var raised = total == 0 ? 0.5f : weights.Where(weight => weight > 0).Sum() / total;
            fractions[head] = raised * fractions[head] + (1 - raised) * (1 - fractions[head]);
        }
        return fractions;
    }

    private static float[][]? Rows(Tensor? weights)
    {
        if (weights is null)
        {
            return null;
        }

        var columns = (int)weights.size(1);
        return [.. Floats(weights).Chunk(columns)];
    }

    private static float[] Floats(Tensor x)
    {
        using var accessor = x.detach().to(ScalarType.Float32).cpu().contiguous().data<float>();
        return accessor.ToArray();
    }
}
