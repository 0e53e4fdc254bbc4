using KvShiftScale.Models.Configuration;
using KvShiftScale.Models.Initialization;
using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Tests;

/// <summary>A small model with weights large enough that every part matters, and the rows it is tried on.</summary>
internal sealed class ModelFixture : IDisposable
{
    public static readonly ModelConfig Config = new()
    {
        VocabSize = 13,
        HiddenSize = 12,
        Layers = 2,
        Heads = 4,
        KvHeads = 2,
        HeadSize = 4,
        FfnSize = 10,
        RopeBase = 100,
        InitStd = 0.5,
    };

    /// <summary>Global, sliding and global layers; where the window slides, heads are more and smaller and share kv heads otherwise.</summary>
    public static ModelConfig Sliding(int window) => Config with
    {
        Layers = 3,
        SlidingWindow = window,
        SlidingHeads = 6,
        SlidingKvHeads = 3,
        SlidingHeadSize = 2,
    };

    /// <summary>Two rows: one document, and three documents of 3, 1 and 3 tokens whose last tokens have no target.</summary>
    public static readonly TestRows Rows = new(
        [[3, 1, 4, 1, 5, 9, 2], [6, 5, 3, 5, 8, 9, 7]],
        [[1, 4, 1, 5, 9, 2, 12], [5, 3, -100, -100, 9, 7, -100]],
        [[0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 0, 0, 1, 2]]);

    public ModelFixture(ModelConfig config, ScalarType dtype, long seed = 7, long bucketBytes = 4096, int context = 16,
        Recompute recompute = Recompute.None, KernelChoice kernels = KernelChoice.Auto)
    {
        Model = new KvShiftTransformer(config, new ParameterBuckets(ComputeDevice.Host(dtype, kernels), bucketBytes), context) { Recompute = recompute };
        Model.Initialize(seed);
    }

    public KvShiftTransformer Model { get; }

    /// <summary>Weights as float64 arrays, by name.</summary>
    public Dictionary<string, double[]> Weights()
        => Model.Parameters.Slots.ToDictionary(slot => slot.Name, slot => Values(slot.Parameter));

    /// <summary>The same numbers in both models: those of <paramref name="other"/>, which are of the narrower type.</summary>
    public void CopyWeightsFrom(ModelFixture other)
    {
        using var mode = no_grad();
        foreach (var (to, from) in Model.Parameters.Slots.Zip(other.Model.Parameters.Slots))
        {
            to.Parameter.copy_(from.Parameter);
        }
    }

    /// <summary>
    /// Scalars of the shift spread over -1.3 to 1.3, as they are met after training (paper section 4.3) rather than at its start:
    /// sums other than 1, negative ones, and on both sides of where a clip clips.
    /// </summary>
    public void SpreadScalars()
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var place = 0;
        foreach (var slot in Model.Parameters.Slots.Where(slot => slot.Name.EndsWith("_shift", StringComparison.Ordinal)))
        {
            var values = new double[slot.Parameter.numel()];
            for (var i = 0; i < values.Length; i++)
            {
                values[i] = 1.3 * Math.Sin(1.7 * place++ + 0.4);
            }

            slot.Parameter.copy_(tensor(values).view([.. slot.Shape]));
        }
    }

    /// <summary>[rows * tokens * vocabulary] logits.</summary>
    public double[] Logits(TestRows rows)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        return Values(Model.Logits(rows.IdTensor(), rows.Layout()));
    }

    /// <summary>One forward and backward over all rows; gradients by name.</summary>
    public (double LossSum, Dictionary<string, double[]> Gradients) LossAndGradients(TestRows? rows = null)
    {
        using var scope = NewDisposeScope();
        rows ??= Rows;
        Model.Parameters.BeginStep();
        var loss = Model.LossSum(rows.IdTensor(), rows.TargetTensor(), rows.Layout());
        BackwardPass.Run(loss);
        return (loss.to(ScalarType.Float64).item<double>(), Model.Parameters.Slots.ToDictionary(slot => slot.Name, slot => Values(slot.Gradient)));
    }

    public static double[] Values(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.detach().to(ScalarType.Float64).contiguous().view(-1).data<double>().ToArray();
    }

    public void Dispose() => Model.Dispose();
}
