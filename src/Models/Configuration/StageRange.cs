namespace KvShiftScale.Models.Configuration;

/// <summary>
/// Consecutive layers of a model, as one stage of a pipeline computes them, or a chunk of one: the first begins with the embedding, the last ends with
/// the final norm and the output head.
/// </summary>
/// <param name="FirstLayer">Its first layer, from 0.</param>
/// <param name="EndLayer">The layer after its last.</param>
/// <param name="Layers">Layers of the whole model.</param>
public sealed record StageRange(int FirstLayer, int EndLayer, int Layers)
{
    /// <summary>It looks ids up.</summary>
    public bool HasEmbedding => FirstLayer == 0;

    /// <summary>It makes logits and losses.</summary>
    public bool HasHead => EndLayer == Layers;

    /// <summary>
    /// Stage <paramref name="stage"/> of <paramref name="stages"/>. Of layers that cannot be divided evenly the first stages have one more: the last has
    /// the head.
    /// </summary>
    /// <param name="layers">Layers of the model, as many as stages or more.</param>
    /// <param name="stage">From 0.</param>
    /// <param name="stages">Number of stages.</param>
    public static StageRange Of(int layers, int stage, int stages)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(layers, stages);
        ArgumentOutOfRangeException.ThrowIfNegative(stage);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(stage, stages);
        return new StageRange(Begin(stage), Begin(stage + 1), layers);

        int Begin(int index) => index * (layers / stages) + Math.Min(index, layers % stages);
    }

    /// <summary>Whether the stage holds a parameter.</summary>
    public bool Holds(PlannedParameter parameter) => parameter.Layer is { } layer
        ? layer >= FirstLayer && layer < EndLayer
        : (HasEmbedding && parameter.Stages.HasFlag(ParameterStages.First)) || (HasHead && parameter.Stages.HasFlag(ParameterStages.Last));
}
