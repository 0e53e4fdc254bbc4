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
    public static ParameterCounts Of(ModelConfig config) => Of(ParameterPlan.Of(config));

    /// <summary>Counts a whole model.</summary>
    public static ParameterCounts Of(ParameterPlan plan)
    {
        return new(Sum(ParameterPart.Embedding), Sum(ParameterPart.AttentionMatrices), Sum(ParameterPart.ShiftScalars), Sum(ParameterPart.FeedForward),
            Sum(ParameterPart.Norms), Sum(ParameterPart.Head));

        long Sum(ParameterPart part) => plan.Parameters.Where(parameter => parameter.Part == part).Sum(parameter => parameter.ElementCount);
    }
}
