using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.ParityProgram;

/// <summary>One layout of one small training run, to be compared with the same run on one rank.</summary>
/// <param name="Layout">Degrees and options; what the ranks leave is data parallel.</param>
/// <param name="MicroBatch">Rows of a micro-batch; the rest of a rank's rows are accumulated.</param>
/// <param name="Model">Shape.</param>
internal sealed record ParityCase(ParallelConfig Layout, int MicroBatch, ModelConfig Model)
{
    /// <summary>Tokens of a row.</summary>
    public int Context { get; init; } = 16;

    /// <summary>Rows of a step.</summary>
    public int GlobalBatch { get; init; } = 4;

    /// <summary>Whether documents stand alone.</summary>
    public bool DocumentMask { get; init; } = true;

    /// <summary>Steps.</summary>
    public int Steps { get; init; } = 10;

    /// <inheritdoc/>
    public override string ToString()
    {
        var m = Model;
        var layout = $"{(Layout.Pipeline > 1 ? $"pipeline {Layout.Pipeline} " : "")}{(Layout.VirtualStages > 1 ? $"virtual {Layout.VirtualStages} " : "")}tensor {Layout.Tensor} context {Layout.Context}{(Layout.IsSequenceParallel ? " sequence" : "")}{(Layout.OptimizerSharding == OptimizerSharding.None ? "" : $" {Layout.OptimizerSharding}".ToLowerInvariant())}{(Layout.Recompute == Recompute.None ? "" : $" recompute {Layout.Recompute}")}"
            + (Layout.Overlap ? "" : " in turn") + (Layout.CanonicalLeaves > 0 ? $" leaves {Layout.CanonicalLeaves}" : "");
        return $"{layout}, batch {GlobalBatch} in {MicroBatch}, vocabulary {m.VocabSize}, hidden {m.HiddenSize}, layers {m.Layers}, heads {m.Heads}/{m.ResolvedKvHeads}, "
            + $"ffn {m.FfnSize}, {m.KvShift} {m.KvShiftInit}{(m.TieEmbeddings ? ", tied" : "")}, context {Context}{(DocumentMask ? "" : " unmasked")}"
            + (m.SlidingWindow > 0 ? $", window {m.SlidingWindow}" : "");
    }
}
