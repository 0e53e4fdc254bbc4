namespace KvShiftScale.Parallel.Pipelines;

/// <summary>A micro-batch's way through a chunk of a stage's layers, in one direction.</summary>
/// <param name="IsForward">False: backward.</param>
/// <param name="Chunk">Which of the stage's chunks, from 0 in the order of their layers.</param>
/// <param name="MicroBatch">Number in the step, from 0.</param>
public readonly record struct StagePass(bool IsForward, int Chunk, int MicroBatch)
{
    /// <summary>For example <c>F3</c>, and <c>F3.1</c> for a chunk that is not the first.</summary>
    public override string ToString() => $"{(IsForward ? 'F' : 'B')}{MicroBatch}{(Chunk > 0 ? $".{Chunk}" : "")}";

    /// <summary>The pass that makes what this one begins with, and its stage; null where it begins with ids or the loss.</summary>
    /// <param name="stage">The stage of this pass, from 0.</param>
    /// <param name="stages">Number of stages.</param>
    /// <param name="chunks">Chunks of a stage.</param>
    public (int Stage, StagePass Pass)? Before(int stage, int stages, int chunks) => At(Chunk * stages + stage + (IsForward ? -1 : 1), stages, chunks);

    /// <summary>The pass that begins with what this one makes, and its stage; null where that is the loss, or nothing but gradients of parameters.</summary>
    /// <inheritdoc cref="Before"/>
    public (int Stage, StagePass Pass)? After(int stage, int stages, int chunks) => At(Chunk * stages + stage + (IsForward ? 1 : -1), stages, chunks);

    // Chunk c of stage p is virtual stage c * stages + p.
    private (int Stage, StagePass Pass)? At(int virtualStage, int stages, int chunks)
        => virtualStage < 0 || virtualStage == stages * chunks ? null : (virtualStage % stages, this with { Chunk = virtualStage / stages });
}
