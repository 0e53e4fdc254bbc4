using KvShiftScale.Parallel.Kernels;

namespace KvShiftScale.Models.Configuration;

/// <summary>How attention mixes a token's projections with those of the tokens before it (paper section 2.2 and its ablations).</summary>
public enum KvShiftVariant
{
    /// <summary>Keys and values, two free scalars each: KV shifting attention.</summary>
    Kv,

    /// <summary>Keys only.</summary>
    K,

    /// <summary>Values only.</summary>
    V,

    /// <summary>Nothing: the vanilla transformer.</summary>
    None,

    /// <summary>Queries too (paper appendix J).</summary>
    Qkv,

    /// <summary>
    /// Keys and values; the current token's weight is sigmoid(x), the previous one's 1 - sigmoid(x), with one scalar x a head (paper
    /// section 4.6).
    /// </summary>
    Gate,

    /// <summary>Keys and values; each scalar is clipped into [0, 1] at use (paper section 4.6).</summary>
    Clip,

    /// <summary>Keys and values over two positions, the current one counted: the same as <see cref="Kv"/>.</summary>
    Window2,

    /// <summary>Keys and values over three positions: t - 2 to t.</summary>
    Window3,

    /// <summary>Keys and values over four positions: t - 3 to t.</summary>
    Window4,
}

/// <summary>How the scalars of the shift start.</summary>
public enum KvShiftInitialization
{
    /// <summary>From the current token backwards each weight uniform in [0, 1), the oldest so that the sum is 1 (the paper).</summary>
    Uniform,

    /// <summary>Softmax over the window of a standard normal draw (Baichuan-M1's released class).</summary>
    Softmax,

    /// <summary>The current token 1, the others 0: starts as the vanilla transformer. Not for <see cref="KvShiftVariant.Gate"/>.</summary>
    Identity,
}

/// <summary>Scale of the initial embedding and weight matrices.</summary>
public enum WeightInitialization
{
    /// <summary>
    /// One standard deviation for all, divided by sqrt(2 * layers) where a matrix writes into the residual stream.
    /// </summary>
    Scaled,

    /// <summary>Standard deviation 1 for the embedding and 1 / sqrt(inputs) for each matrix: for models as narrow as 8.</summary>
    FanIn,
}

/// <summary>The <c>model</c> section of a run's configuration: shape of a KV-shifting decoder.</summary>
public sealed record ModelConfig
{
    /// <summary>Name of the shape whose values stand where no other is given; null for the defaults below.</summary>
    public string? Preset { get; init; }

    /// <summary>Number of token ids.</summary>
    public int VocabSize { get; init; } = 32000;

    /// <summary>Width of the residual stream.</summary>
    public int HiddenSize { get; init; } = 512;

    /// <summary>Transformer blocks.</summary>
    public int Layers { get; init; } = 8;

    /// <summary>Query heads.</summary>
    public int Heads { get; init; } = 8;

    /// <summary>Key and value heads; fewer than <see cref="Heads"/> is grouped-query attention. 0 means as many as query heads.</summary>
    public int KvHeads { get; init; }

    /// <summary>Width of one head. 0 means <see cref="HiddenSize"/> / <see cref="Heads"/>.</summary>
    public int HeadSize { get; init; }

    /// <summary>Width of the SwiGLU feed-forward layer.</summary>
    public int FfnSize { get; init; } = 1408;

    /// <summary>Base of the rotary frequencies.</summary>
    public double RopeBase { get; init; } = 100_000;

    /// <summary>Added to the mean square in RMSNorm.</summary>
    public double NormEpsilon { get; init; } = 1e-6;

    /// <summary>The output head reuses the embedding matrix.</summary>
    public bool TieEmbeddings { get; init; }

    /// <summary>What is shifted.</summary>
    public KvShiftVariant KvShift { get; init; } = KvShiftVariant.Kv;

    /// <summary>How the scalars of the shift start.</summary>
    public KvShiftInitialization KvShiftInit { get; init; } = KvShiftInitialization.Uniform;

    /// <summary>
    /// Keys that a query of a sliding layer sees, its own counted. 0: no sliding layers. Otherwise every second layer slides (odd
    /// indices, as in Baichuan-M1), with the sliding_ fields for its shape.
    /// </summary>
    public int SlidingWindow { get; init; }

    /// <summary>Query heads of a sliding layer. 0 means <see cref="Heads"/>.</summary>
    public int SlidingHeads { get; init; }

    /// <summary>Key and value heads of a sliding layer. 0 means those of the other layers.</summary>
    public int SlidingKvHeads { get; init; }

    /// <summary>Width of one head of a sliding layer. 0 means that of the other layers.</summary>
    public int SlidingHeadSize { get; init; }

    /// <summary>Scale of the initial embedding and weight matrices.</summary>
    public WeightInitialization Init { get; init; } = WeightInitialization.Scaled;

    /// <summary>Standard deviation of the initial embedding and weight matrices, where <see cref="Init"/> is scaled.</summary>
    public double InitStd { get; init; } = 0.02;

    /// <summary><see cref="KvHeads"/> with its default resolved.</summary>
    public int ResolvedKvHeads => KvHeads == 0 ? Heads : KvHeads;

    /// <summary><see cref="HeadSize"/> with its default resolved.</summary>
    public int ResolvedHeadSize => HeadSize == 0 ? HiddenSize / Heads : HeadSize;

    /// <summary>Shape of the attention of layer <paramref name="layer"/>, counted from 0.</summary>
    public AttentionShape Attention(int layer)
    {
        if (SlidingWindow == 0 || layer % 2 == 0)
        {
            return new(Heads, ResolvedKvHeads, ResolvedHeadSize, Window: 0);
        }

        return new(SlidingHeads == 0 ? Heads : SlidingHeads, SlidingKvHeads == 0 ? ResolvedKvHeads : SlidingKvHeads,
            SlidingHeadSize == 0 ? ResolvedHeadSize : SlidingHeadSize, SlidingWindow);
    }
}
