namespace KvShiftScale.Models.Configuration;

/// <summary>Sizes and floating-point operations of a model, from its shape alone.</summary>
public static class ModelCost
{
    // 2 Mi logits are 8 MiB in float32: they stay in a core's share of the last-level cache between the two products.
    private const long MostLogits = 2 << 20;

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
            flops += 12.0 * heads * headSize * VisibleKeys(window, context, causal);
            flops += 3.0 * (2 * plan.Taps - 1) * plan.ShiftedHeads(config.Attention(layer)) * headSize;
        }
        return flops;
    }

    /// <summary>Keys that a token sees on average in a row of <paramref name="context"/> tokens.</summary>
    /// <param name="window">Keys that a query sees at most; 0 is all before it.</param>
    /// <param name="context">Tokens in a row.</param>
    /// <param name="causal">Only those before a token count.</param>
    public static double VisibleKeys(int window, int context, bool causal)
    {
        var band = window == 0 ? context : Math.Min(window, context);
        // A row's first tokens see one key more each until the window is full.
        return causal ? (band * (band + 1.0) / 2 + (context - band) * (double)band) / context : band;
    }

    /// <summary>Of the rows of a batch, those whose logits exist at a time.</summary>
    /// <param name="rows">Rows of the batch.</param>
    /// <param name="vocabulary">Logits of a row that a rank has room for, padding included: as many on every rank.</param>
    public static long LogitRows(long rows, long vocabulary) => Math.Max(1, Math.Min(rows, MostLogits / vocabulary));
}
