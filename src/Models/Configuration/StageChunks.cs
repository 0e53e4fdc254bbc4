namespace KvShiftScale.Models.Configuration;

/// <summary>The layers of one stage of a pipeline: one range of them, or several chunks, between which the other stages have theirs.</summary>
/// <param name="Chunks">In the order of their layers.</param>
public sealed record StageChunks(IReadOnlyList<StageRange> Chunks)
{
    /// <summary>It looks ids up, in its first chunk.</summary>
    public bool HasEmbedding => Chunks[0].HasEmbedding;

    /// <summary>It makes logits and losses, in its last chunk.</summary>
    public bool HasHead => Chunks[^1].HasHead;

    /// <summary>Stage <paramref name="stage"/> of <paramref name="stages"/>, whose chunk c is the range of number c * stages + stage.</summary>
    /// <param name="layers">Layers of the model, as many as chunks of all stages or more.</param>
    /// <param name="stage">From 0.</param>
    /// <param name="stages">Number of stages.</param>
    /// <param name="chunks">Chunks of a stage.</param>
    public static StageChunks Of(int layers, int stage, int stages, int chunks)
        => new([.. Enumerable.Range(0, chunks).Select(chunk => StageRange.Of(layers, chunk * stages + stage, stages * chunks))]);

    /// <summary>Whether the stage holds a parameter.</summary>
    public bool Holds(PlannedParameter parameter) => Chunks.Any(chunk => chunk.Holds(parameter));

    /// <summary>The chunk after whose backward no more gradients of a parameter come, from 0. Chunks go backward in reverse.</summary>
    /// <param name="parameter">One that the stage holds.</param>
    public int ChunkOf(PlannedParameter parameter)
    {
        // Both ends of a pipeline sum the gradient of a tied embedding, and the first stage has its own part with the last backward.
        return parameter.IsTied ? 0 : Chunks.Index().First(chunk => chunk.Item.Holds(parameter)).Index;
    }
}
