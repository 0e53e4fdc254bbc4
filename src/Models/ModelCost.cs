namespace KvShiftScale.Models;

/// <summary>Sizes and floating-point operations of a model, from its shape alone.</summary>
public static class ModelCost
{
    /// <summary>All parameters; a tied head counts once.</summary>
    public static long Parameters(ModelConfig config)
        => NonEmbeddingParameters(config) + (config.TieEmbeddings ? 1L : 2L) * config.VocabSize * config.HiddenSize;

    /// <summary>Parameters without the embedding and the output head.</summary>
    public static long NonEmbeddingParameters(ModelConfig config)
        => config.Layers * (MatrixParametersOfLayer(config) + 2L * config.HiddenSize + ShiftScalarsOfLayer(config)) + config.HiddenSize;

    /// <summary>
    /// Operations of one training token, forward and backward: 6 for each weight of a matrix product (the head's included, the
    /// embedding look-up's not), 12 * layers * heads * head_size * visible keys for the attention scores and their use, and 3 * (2 w - 1)
    /// for each channel that is shifted over w positions. <paramref name="causal"/> counts the (context + 1) / 2 keys that a token sees
    /// on average, otherwise all.
    /// </summary>
    public static double TrainingFlopsPerToken(ModelConfig config, int context, bool causal)
    {
        var matrices = config.Layers * (double)MatrixParametersOfLayer(config) + (double)config.VocabSize * config.HiddenSize;
        var keys = causal ? (context + 1) / 2.0 : context;
        var attention = 12.0 * config.Layers * config.Heads * config.ResolvedHeadSize * keys;
        var plan = ShiftPlan.Of(config.KvShift);
        var shift = 3.0 * (2 * plan.Taps - 1) * config.Layers * plan.ShiftedHeads(config.Attention(0)) * config.ResolvedHeadSize;
        return 6 * matrices + attention + shift;
    }

    private static long MatrixParametersOfLayer(ModelConfig config)
    {
        long hidden = config.HiddenSize;
        var queryWidth = (long)config.Heads * config.ResolvedHeadSize;
        var kvWidth = (long)config.ResolvedKvHeads * config.ResolvedHeadSize;
        return hidden * (2 * queryWidth + 2 * kvWidth) + 3 * hidden * config.FfnSize;
    }

    private static long ShiftScalarsOfLayer(ModelConfig config)
        => ShiftPlan.Of(config.KvShift).Scalars(config.Attention(0));
}
