using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Collectives;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Parallel.Regions;

/// <summary>
/// How context-parallel ranks divide each row of tokens. Of 2 n equal parts in order, rank r has the r-th from the front and the r-th
/// from the back: a causal query sees all keys before it, so every such pair costs the same.
/// </summary>
/// <param name="group">The ranks that share a row.</param>
public sealed class ContextRegion(ProcessGroup group)
{
    /// <summary>Number of ranks that share a row.</summary>
    public int Size => group.Size;

    /// <summary>One rank that has whole rows.</summary>
    public static ContextRegion Whole() => new(ProcessGroup.Solo("context"));

    /// <summary>The parts of a row of <paramref name="tokens"/> tokens that this rank has, in order.</summary>
    /// <exception cref="ArgumentException">The row cannot be divided.</exception>
    public IReadOnlyList<(int Begin, int Count)> PartsOf(int tokens) => PartsOf(tokens, group.Rank);

    /// <summary>For each token that this rank has of a batch of rows, its number in the whole batch: int64 [batch * own tokens].</summary>
    public Tensor OwnNumbers(int batch, int tokens) => tensor(NumbersOf(batch, tokens, group.Rank).ToArray());

    /// <summary>
    /// Forward: the tokens of all ranks in order, [batch * own tokens, columns] to [batch * tokens, columns]. Backward: the sum over
    /// ranks of the gradients of this rank's tokens.
    /// </summary>
    public Tensor Gather(Tensor own, int batch, int tokens) => Size == 1 ? own : GatherRows.apply(own, this, batch, tokens);

    private IReadOnlyList<(int Begin, int Count)> PartsOf(int tokens, int rank)
    {
        if (Size == 1)
        {
            return [(0, tokens)];
        }

        var parts = 2 * Size;
        if (tokens % parts != 0)
        {
            throw new ArgumentException($"rows of {tokens} tokens cannot be divided into the {parts} parts of {Size} ranks", nameof(tokens));
        }

        var count = tokens / parts;
        return [(rank * count, count), ((parts - 1 - rank) * count, count)];
    }

    private IEnumerable<long> NumbersOf(int batch, int tokens, int rank)
        => from row in Enumerable.Range(0, batch)
           from part in PartsOf(tokens, rank)
           from token in Enumerable.Range(part.Begin, part.Count)
           select (long)row * tokens + token;

    // Tokens as an all-gather leaves them, rank by rank: which of the whole batch each is.
    private long[] Gathered(int batch, int tokens) => [.. Enumerable.Range(0, Size).SelectMany(rank => NumbersOf(batch, tokens, rank))];

    private sealed class GatherRows : SingleResultFunction<GatherRows>
    {
        public override string Name => "ContextRegion.Gather";

        protected override Tensor Compute(AutogradContext context, object[] arguments)
        {
            var (own, region, batch, tokens) = ((Tensor)arguments[0], (ContextRegion)arguments[1], (int)arguments[2], (int)arguments[3]);
            var numbers = region.Gathered(batch, tokens);
            var places = new long[numbers.Length];
            for (var i = 0; i < numbers.Length; i++)
            {
                places[numbers[i]] = i;
            }

            context.save_for_backward([tensor(numbers)]);
            context.save_data("region", region);
            return region.Group.AllGatherRows(own.contiguous()).index_select(0, tensor(places));
        }

        protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
        {
            var byRank = gradient.index_select(0, context.get_saved_variables()[0]);
            return [((ContextRegion)context.get_data("region")).Group.ReduceScatterRows(byRank), null, null, null];
        }
    }

    private ProcessGroup Group => group;
}
