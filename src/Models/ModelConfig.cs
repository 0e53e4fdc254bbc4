namespace KvShiftScale.Models;

/// <summary>Which of key and value are mixed with the previous token's (paper section 2.2 and its ablations).</summary>
public enum KvShiftVariant
{
    /// <summary>Keys and values: KV shifting attention.</summary>
    Kv,

    /// <summary>Neither: the vanilla transformer.</summary>
    None,
}

/// <summary>The <c>model</c> section of a run's configuration: shape of a KV-shifting decoder.</summary>
public sealed record ModelConfig
{
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

    /// <summary>Standard deviation of the initial embedding and weight matrices.</summary>
    public double InitStd { get; init; } = 0.02;

    /// <summary><see cref="KvHeads"/> with its default resolved.</summary>
    public int ResolvedKvHeads => KvHeads == 0 ? Heads : KvHeads;

    /// <summary><see cref="HeadSize"/> with its default resolved.</summary>
    public int ResolvedHeadSize => HeadSize == 0 ? HiddenSize / Heads : HeadSize;
}
