using KvShiftScale.Models.Configuration;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Planning;

/// <summary>Rows and columns that one rank computes of one layer in one micro-batch.</summary>
internal readonly record struct LayerSizes
{
    /// <summary>Tokens of this rank where it works with its part of the weights.</summary>
    public double Tokens { get; private init; }

    /// <summary>Tokens of this rank between the matrices: fewer with sequence parallelism.</summary>
    public double OuterTokens { get; private init; }

    /// <summary>Tokens whose keys and values it sees: more with context parallelism.</summary>
    public double SeenTokens { get; private init; }

    /// <summary>Width of the residual stream.</summary>
    public double Hidden { get; private init; }

    /// <summary>Query heads.</summary>
    public double Heads { get; private init; }

    /// <summary>Columns of queries.</summary>
    public double QueryWidth { get; private init; }

    /// <summary>Columns of keys, and of values.</summary>
    public double KvWidth { get; private init; }

    /// <summary>Columns of the feed-forward layer.</summary>
    public double Ffn { get; private init; }

    /// <summary>Keys that a query sees on average.</summary>
    public double Keys { get; private init; }

    /// <summary>Elements of a residual stream's tensor between the matrices.</summary>
    public double Outer => OuterTokens * Hidden;

    /// <summary>Elements of a tensor of all tokens of the rank, as wide as the residual stream.</summary>
    public double Inner => Tokens * Hidden;

    /// <summary>Elements of the queries.</summary>
    public double Queries => Tokens * QueryWidth;

    /// <summary>Elements of the keys, and of the values.</summary>
    public double KeysOrValues => SeenTokens * KvWidth;

    /// <summary>Elements of gate, up, or their product.</summary>
    public double Wide => Tokens * Ffn;

    /// <summary>Of one layer.</summary>
    /// <param name="config">A configuration that keeps the rules.</param>
    /// <param name="layer">From 0.</param>
    public static LayerSizes Of(RunConfig config, int layer)
    {
        var (model, parallel) = (config.Model, config.Parallel);
        var (heads, kvHeads, headSize, window) = model.Attention(layer);
        var all = (double)config.Data.MicroBatch * config.Data.Context;
        var own = all / parallel.Context;
        return new LayerSizes
        {
            Tokens = own,
            OuterTokens = parallel.IsSequenceParallel ? own / parallel.Tensor : own,
            SeenTokens = all,
            Hidden = model.HiddenSize,
            Heads = (double)heads / parallel.Tensor,
            QueryWidth = (double)heads / parallel.Tensor * headSize,
            KvWidth = Math.Max(1, kvHeads / parallel.Tensor) * (double)headSize,
            Ffn = (double)model.FfnSize / parallel.Tensor,
            Keys = ModelCost.VisibleKeys(window, config.Data.Context, causal: true),
        };
    }
}
