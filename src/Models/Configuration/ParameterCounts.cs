namespace KvShiftScale.Models.Configuration;

/// <summary>Parameters of a model by part, from its shape alone.</summary>
/// <param name="Embedding">The embedding matrix.</param>
/// <param name="AttentionMatrices">Projections of all layers.</param>
/// <param name="ShiftScalars">Scalars of the KV shift of all layers.</param>
/// <param name="FeedForward">Feed-forward matrices of all layers.</param>
/// <param name="Norms">Norm weights.</param>
/// <param name="Head">The output head; 0 where it is the embedding matrix.</param>
public sealed record ParameterCounts(long Embedding, long AttentionMatrices, long ShiftScalars, long FeedForward, long Norms, long Head)
{
    /// <summary>All parameters; a tied head counts once.</summary>
    public long Total => NonEmbedding + Embedding + Head;

    /// <summary>Parameters without the embedding and the output head.</summary>
    public long NonEmbedding => AttentionMatrices + ShiftScalars + FeedForward + Norms;

    /// <summary>Counts a whole model.</summary>
    public static ParameterCounts Of(ModelConfig config)
    {
        var embedding = (long)config.VocabSize * config.HiddenSize;
        var (matrices, scalars) = (0L, 0L);
        for (var layer = 0; layer < config.Layers; layer++)
        {
            var shape = config.Attention(layer);
            matrices += AttentionMatricesOf(config, shape);
            scalars += ShiftScalarsOf(config, shape);
        }
        return new(embedding, matrices, scalars, FeedForward: config.Layers * 3L * config.HiddenSize * config.FfnSize,
            Norms: (2L * config.Layers + 1) * config.HiddenSize, Head: config.TieEmbeddings ? 0 : embedding);
    }

    /// <summary>Query, key, value and output projections of one layer.</summary>
    public static long AttentionMatricesOf(ModelConfig config, AttentionShape shape)
        => 2L * config.HiddenSize * (shape.Heads + shape.KvHeads) * shape.HeadSize;

    /// <summary>Scalars of one layer: of every head that the variant shifts.</summary>
    public static long ShiftScalarsOf(ModelConfig config, AttentionShape shape)
        => ShiftPlan.Of(config.KvShift).Scalars(shape);
}
