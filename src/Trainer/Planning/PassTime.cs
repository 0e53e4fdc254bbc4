using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Planning;

/// <summary>
/// Seconds in which a stage takes one micro-batch forward and backward: by kind of work, each kind by itself, since on one device one kernel follows the other.
/// </summary>
/// <param name="Products">Products of matrices.</param>
/// <param name="Attention">Scores and their use.</param>
/// <param name="Kernels">Kernels that memory's bandwidth bounds.</param>
/// <param name="TensorLinks">Collectives of tensor-parallel ranks.</param>
/// <param name="ContextLinks">Collectives of context-parallel ranks.</param>
/// <param name="Messages">Messages between stages.</param>
internal readonly record struct PassTime(double Products, double Attention, double Kernels, double TensorLinks, double ContextLinks, double Messages)
{
    /// <summary>All of it.</summary>
    public double Total => Products + Attention + Kernels + TensorLinks + ContextLinks + Messages;

    public static PassTime operator +(PassTime left, PassTime right) => new(left.Products + right.Products, left.Attention + right.Attention,
        left.Kernels + right.Kernels, left.TensorLinks + right.TensorLinks, left.ContextLinks + right.ContextLinks, left.Messages + right.Messages);

    /// <summary>One layer.</summary>
    /// <param name="config">The run.</param>
    /// <param name="layer">From 0.</param>
    /// <param name="hardware">What computes.</param>
    /// <param name="links">What communicates.</param>
    public static PassTime OfLayer(RunConfig config, int layer, HardwareProfile hardware, LinkTime links)
    {
        var (sizes, shift, parallel) = (LayerSizes.Of(config, layer), ShiftPlan.Of(config.Model.KvShift), config.Parallel);
        var bytes = ElementBytes.Of(config.Precision);
        var isFull = parallel.Recompute == Recompute.Full;
        // Forward, twice as much backward, and forward once more where blocks are made again.
        var passes = isFull ? 4 : 3;
        var weights = sizes.Hidden * (2 * sizes.QueryWidth + 2 * sizes.KvWidth + 3 * sizes.Ffn);
        var scores = 4 * sizes.Tokens * sizes.QueryWidth * sizes.Keys;
        var shifted = (shift.Query ? sizes.Queries : 0) + (shift.Key ? sizes.KeysOrValues : 0) + (shift.Value ? sizes.KeysOrValues : 0);
        // Two norms read the residual and what is to be added, and write the sum and the rows; SwiGLU reads two and writes one; rotation and shift read and write.
        var remade = 2 * sizes.Outer * 2 + 3 * sizes.Wide + 2 * shifted;
        var forward = 2 * sizes.Outer * 4 + 3 * sizes.Wide + 2 * (sizes.Queries + sizes.KeysOrValues + (shift.Value ? sizes.KeysOrValues : 0));
        // Norms read the sum and two gradients; SwiGLU reads three and writes two; the gradients that meet at an input of several products are added.
        var backward = 2 * sizes.Outer * 4 + 5 * sizes.Wide + 3 * (sizes.Queries + 2 * sizes.KeysOrValues) + 3 * 3 * sizes.Inner;
        var elements = forward + backward + (isFull ? forward : parallel.Recompute == Recompute.Selective ? remade : 0);
        // Gradients of weights are written, and read where an earlier micro-batch has left some.
        var gradients = 2.0 * weights * bytes.Wide;
        var isDivided = parallel.IsSequenceParallel;
        // Each group of products gathers or sums at its ends, forward and backward.
        var ends = sizes.Inner * bytes.Narrow;
        var sums = 4 + (isFull ? 2 : isDivided && parallel.Recompute == Recompute.Selective ? 1 : 0);
        return new PassTime(
            passes * 2 * sizes.Tokens * weights / ProductRate(hardware, config.Precision),
            scores * passes / AttentionRate(hardware, config.Precision),
            (elements * bytes.Narrow + gradients) / KernelRate(hardware),
            isDivided ? 2 * sums * links.GatherOrScatter(ends, MeshAxis.Tensor) : sums * links.Sum(ends, MeshAxis.Tensor),
            ((shift.Query ? 3 : 2) * (isFull ? 3 : 2)) * links.GatherOrScatter(sizes.KeysOrValues * bytes.Narrow, MeshAxis.Context),
            Messages: 0);
    }

    /// <summary>The embedding, of the first stage.</summary>
    public static PassTime OfEmbedding(RunConfig config, HardwareProfile hardware, LinkTime links)
    {
        var (sizes, bytes) = (LayerSizes.Of(config, 0), ElementBytes.Of(config.Precision));
        return default(PassTime) with
        {
            Kernels = 4 * sizes.Inner * bytes.Wide / KernelRate(hardware),
            TensorLinks = Ends(sizes.Inner * bytes.Narrow, config.Parallel, links),
        };
    }

    /// <summary>The final norm, the output head and the loss, of the last stage: forward makes the head's gradients at once.</summary>
    public static PassTime OfHead(RunConfig config, HardwareProfile hardware, LinkTime links)
    {
        var (sizes, bytes) = (LayerSizes.Of(config, config.Model.Layers - 1), ElementBytes.Of(config.Precision));
        var rows = StageMemory.HeadRows(config.Model, config.Parallel);
        var chunks = Math.Ceiling(sizes.Tokens / StageMemory.ChunkRows(config.Model, sizes, config.Parallel));
        var logits = sizes.Tokens * rows;
        // The loss reads the logits twice and writes them once; each chunk adds into the gradient of the head, which is handed over at the end.
        var wide = 3 * logits + (2 * chunks + 3) * rows * sizes.Hidden;
        return default(PassTime) with
        {
            Products = 6 * logits * sizes.Hidden / ProductRate(hardware, config.Precision),
            Kernels = (wide * bytes.Wide + 8 * sizes.Outer * bytes.Narrow) / KernelRate(hardware),
            TensorLinks = Ends(sizes.Inner * bytes.Narrow, config.Parallel, links) + chunks * 2 * links.Sum(2 * sizes.Tokens / chunks * bytes.Wide, MeshAxis.Tensor),
        };
    }

    /// <summary>Activations to the neighbours of a stage, and gradients back.</summary>
    /// <param name="neighbours">Stages before and after it, for each of its chunks.</param>
    public static PassTime OfMessages(RunConfig config, int neighbours, LinkTime links)
        => default(PassTime) with { Messages = 2 * neighbours * links.Message(LayerSizes.Of(config, 0).Outer * ElementBytes.Of(config.Precision).Narrow, MeshAxis.Pipeline) };

    /// <summary>
    /// Bytes that the update moves for each element: AdamW reads four numbers of it and writes three, and a narrow copy of the parameter where it is narrow; the norm
    /// reads the gradient once more.
    /// </summary>
    public static int UpdateBytes(ElementBytes bytes) => 8 * bytes.Wide + (bytes.Narrow < bytes.Wide ? bytes.Narrow : 0);

    /// <summary>Bytes a second of kernels that memory bounds.</summary>
    public static double KernelRate(HardwareProfile hardware) => hardware.BandwidthEfficiency * hardware.MemoryBytesPerSecond;

    /// <summary>Peak of products, in operations a second.</summary>
    public static double Peak(HardwareProfile hardware, Precision precision) => precision == Precision.Bf16 ? hardware.Bf16FlopsPerSecond : hardware.Fp32FlopsPerSecond;

    private static double ProductRate(HardwareProfile hardware, Precision precision) => hardware.ProductEfficiency * Peak(hardware, precision);

    private static double AttentionRate(HardwareProfile hardware, Precision precision) => hardware.AttentionEfficiency * Peak(hardware, precision);

    // At one end of a group of products tokens are gathered or summed, once in each direction.
    private static double Ends(double bytes, ParallelConfig parallel, LinkTime links)
        => parallel.IsSequenceParallel ? 2 * links.GatherOrScatter(bytes, MeshAxis.Tensor) : links.Sum(bytes, MeshAxis.Tensor);
}
