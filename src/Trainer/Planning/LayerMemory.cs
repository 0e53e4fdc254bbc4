using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.Trainer.Planning;

/// <summary>Bytes of the tensors that one layer makes of one micro-batch on one rank.</summary>
/// <param name="sizes">Rows and columns.</param>
/// <param name="shift">What is shifted.</param>
/// <param name="parallel">The layout.</param>
/// <param name="bytes">Bytes of an element.</param>
internal readonly struct LayerMemory(LayerSizes sizes, ShiftPlan shift, ParallelConfig parallel, ElementBytes bytes)
{
    // Numbers of tokens that a gathering's backward keeps.
    private const int NumberBytes = sizeof(long);

    private bool IsGathered => parallel.Context > 1;

    /// <summary>What forward leaves for backward.</summary>
    public double Kept(Recompute recompute) => recompute switch
    {
        // The two inputs of a block.
        Recompute.Full => 2 * sizes.Outer * bytes.Narrow,
        Recompute.Selective => Kept(Recompute.None) - Remade,
        // Two sums of the residual stream, the inputs of two groups of products, queries and their attention, gate, up and their product.
        _ => bytes.Narrow * (2 * sizes.Outer + 2 * sizes.Inner + 2 * sizes.Queries + ShiftedQueries + KeysAndValues + 3 * sizes.Wide)
            + bytes.Wide * (2 * sizes.OuterTokens + sizes.Tokens * sizes.Heads)
            + (IsGathered ? NumberBytes * sizes.SeenTokens * (shift.Query ? 3 : 2) : 0),
    };

    /// <summary>
    /// All tensors of a forward pass at its end: what it leaves for backward without recompute, and what goes with the block. libtorch's binding makes, for each result of
    /// our functions, a second tensor of its size, which stays until the block's dispose scope closes.
    /// </summary>
    public double Forward => Kept(Recompute.None) + bytes.Narrow * (Results
        // Projected queries, results of the attention's and the feed-forward's last product, and their sums over ranks.
        + sizes.Queries + 2 * sizes.Inner + (parallel.Tensor > 1 ? 2 * sizes.Outer : 0)
        // Rows before ranks gather them.
        + (parallel.IsSequenceParallel ? 2 * sizes.Outer : 0)
        // Keys and values of this rank's own tokens, and of all in the order of ranks.
        + (IsGathered ? 2 * (sizes.Tokens * sizes.KvWidth + sizes.KeysOrValues) : 0));

    /// <summary>The most that backward of the layer holds beyond what forward has kept of it: in the backward of the feed-forward's product.</summary>
    public double Backward(Recompute recompute) => recompute switch
    {
        Recompute.Full => Math.Max(Forward, Kept(Recompute.None) + 2 * sizes.Wide * bytes.Narrow + InnerGradient) + OuterGradient,
        // The product made again is gone before the gradients of gate and up come.
        Recompute.Selective => 3 * sizes.Wide * bytes.Narrow + InnerGradient + OuterGradient,
        // What forward has kept of the product is.
        _ => 2 * sizes.Wide * bytes.Narrow + InnerGradient + OuterGradient,
    };

    // Elements of the results of all functions: sums and rows of two norms, five projections, rotation and shift, attention, gate, up, product, and what ranks exchange at both ends of
    // two groups of products and before the shift.
    private double Results => 4 * sizes.Outer + 3 * sizes.Queries + 2 * sizes.Inner + 3 * sizes.Wide
        + 2 * sizes.Tokens * sizes.KvWidth + (shift.Value ? 2 : 1) * sizes.KeysOrValues + (IsGathered ? 2 * sizes.KeysOrValues : 0)
        + (parallel.Tensor > 1 ? 2 * sizes.Inner + 2 * sizes.Outer : 0);

    // Where tokens are divided, the gradient of all of them is gathered.
    private double InnerGradient => parallel.IsSequenceParallel ? sizes.Inner * bytes.Narrow : 0;

    private double OuterGradient => sizes.Outer * bytes.Narrow;

    private double ShiftedQueries => shift.Query ? (double)sizes.SeenTokens * sizes.QueryWidth : 0;

    // Raw ones where they are shifted, and what attention takes.
    private double KeysAndValues => ((shift.Key ? 2 : 1) + (shift.Value ? 2 : 1)) * sizes.KeysOrValues;

    private double Remade => bytes.Narrow
        * (2 * sizes.Inner + sizes.Wide + ((shift.Key ? 1 : 0) + (shift.Value ? 1 : 0)) * sizes.KeysOrValues + (shift.Query ? sizes.Queries : 0));
}
