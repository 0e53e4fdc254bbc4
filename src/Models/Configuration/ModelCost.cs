namespace KvShiftScale.Models.Configuration;

/// <summary>Sizes and floating-point operations of a model, from its shape alone.</summary>
public static class ModelCost
{
    /// <summary>All parameters; a tied head counts once.</summary>
    public static long Parameters(ModelConfig config) => ParameterCounts.Of(config).Total;

    /// <summary>Parameters without the embedding and the output head.</summary>
    public static long NonEmbeddingParameters(ModelConfig config) => ParameterCounts.Of(config).NonEmbedding;

    /// <summary>
    /// Operations of one training token, forward and backward: 6 for each weight of a matrix product (the head's included, the
    /// embedding look-up's not), 12 * heads * head_size * visible keys in each layer for the attention scores and their use, and
    /// 3 * (2 w - 1) for each channel that is shifted over w positions. <paramref name="causal"/> counts the keys that a token sees on
    /// average in a row of context tokens, (context + 1) / 2 or fewer where a window slides; otherwise all of the context or the window.
    /// </summary>
    public static double TrainingFlopsPerToken(ModelConfig config, int context, bool causal)
    {
        var counts = ParameterCounts.Of(config);
        var flops = 6.0 * (counts.AttentionMatrices + counts.FeedForward + (double)config.VocabSize * config.HiddenSize);
        var plan = ShiftPlan.Of(config.KvShift);
        for (var layer = 0; layer < config.Layers; layer++)
        {
            var (heads, _, headSize, window) = config.Attention(layer);
            var band = window == 0 ? context : Math.Min(window, context);
            // A row's first tokens see one key more each until the window is full.
            var keys = causal ? (band * (band + 1.0) / 2 + (context - band) * (double)band) / context : band;
            flops += 12.0 * heads * headSize * keys;
            flops += 3.0 * (2 * plan.Taps - 1) * plan.ShiftedHeads(config.Attention(layer)) * headSize;
        }
        return flops;
    }
}
