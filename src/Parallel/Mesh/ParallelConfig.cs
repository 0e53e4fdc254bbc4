using System.Globalization;

namespace KvShiftScale.Parallel.Mesh;

/// <summary>How optimizer state and gradients are spread over data-parallel ranks.</summary>
public enum OptimizerSharding
{
    /// <summary>Every data-parallel rank holds the whole state.</summary>
    None,

    /// <summary>Each of n ranks with the same parameters holds and updates 1/n of the state (ZeRO stage 1).</summary>
    Zero1,

    /// <summary>Beside that, each keeps 1/n of the gradients: those of a bucket are whole from the first of a backward to their sum (ZeRO stage 2).</summary>
    Zero2,
}

/// <summary>Which activations are made again in backward instead of being kept.</summary>
public enum Recompute
{
    /// <summary>None: the fastest.</summary>
    None,

    /// <summary>What costs little to make again: norms, the SwiGLU product, shifted keys and values.</summary>
    Selective,

    /// <summary>Everything but the inputs of each block: about a third more compute.</summary>
    Full,
}

/// <summary>The <c>parallel</c> section of a run's configuration.</summary>
public sealed record ParallelConfig
{
    /// <summary>Tensor-parallel degree: ranks that share one copy of the model.</summary>
    public int Tensor { get; init; } = 1;

    /// <summary>Context-parallel degree: ranks that share one sequence.</summary>
    public int Context { get; init; } = 1;

    /// <summary>Pipeline-parallel degree: stages, ranks that hold consecutive layers each.</summary>
    public int Pipeline { get; init; } = 1;

    /// <summary>Chunks of consecutive layers that each stage of a pipeline has, interleaved: chunk c of stage p is virtual stage c * pipeline + p.</summary>
    public int VirtualStages { get; init; } = 1;

    /// <summary>Ranks that compute the same samples together, whatever each does of it.</summary>
    public long RanksPerSample => (long)Pipeline * Context * Tensor;

    /// <summary>What that is the product of: <c>parallel.tensor 2 x parallel.context 1</c>. A pipeline is named where there is one.</summary>
    public string Degrees => string.Create(CultureInfo.InvariantCulture,
        $"parallel.tensor {Tensor} x parallel.context {Context}{(Pipeline > 1 ? $" x parallel.pipeline {Pipeline}" : "")}");

    /// <summary>
    /// Sequence parallelism: tensor-parallel ranks divide the tokens where they do not divide the weights. Not set: wherever there is
    /// tensor parallelism. Without that it means nothing.
    /// </summary>
    public bool? Sequence { get; init; }

    /// <summary>Whether tensor-parallel ranks divide tokens.</summary>
    public bool IsSequenceParallel => Tensor > 1 && Sequence != false;

    /// <summary>
    /// How optimizer state and gradients are spread over data-parallel ranks. Where they share it, each updates its part alone and parameters are gathered
    /// behind the next forward.
    /// </summary>
    public OptimizerSharding OptimizerSharding { get; init; } = OptimizerSharding.Zero1;

    /// <summary>
    /// Parts of a step whose gradients are summed in a fixed tree when <c>run.deterministic</c> is set; a power of two. 0: one for each
    /// micro-batch.
    /// </summary>
    public int CanonicalLeaves { get; init; }

    /// <summary>Which activations are made again in backward instead of being kept.</summary>
    public Recompute Recompute { get; init; } = Recompute.None;

    /// <summary>Upper bound of one flat gradient bucket, in MiB.</summary>
    public int BucketMebibytes { get; init; } = 32;

    /// <summary>
    /// Gradients are reduced from within backward, and parameters of a shared optimizer gathered behind the next forward, where MPI lets
    /// several threads call it.
    /// </summary>
    public bool Overlap { get; init; } = true;

    /// <summary>Compute threads of one rank; 0 divides the cores of the machine among the ranks on it.</summary>
    public int ThreadsPerRank { get; init; }
}
