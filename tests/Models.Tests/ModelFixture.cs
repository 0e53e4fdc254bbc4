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
    public static readonly int[][] Ids = [[3, 1, 4, 1, 5, 9, 2], [6, 5, 3, 5, 8, 9, 7]];
    public static readonly int[][] Targets = [[1, 4, 1, 5, 9, 2, 12], [5, 3, -100, -100, 9, 7, -100]];
    public static readonly int[][] Positions = [[0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 0, 0, 1, 2]];

    public ModelFixture(ModelConfig config, ScalarType dtype, long seed = 7, long bucketBytes = 4096)
    {
        Model = new KvShiftTransformer(config, new ParameterBuckets(dtype, CPU, bucketBytes), context: 8);
        Model.Initialize(seed);
    }

    public KvShiftTransformer Model { get; }

    /// <summary>Weights as float64 arrays, by name.</summary>
    public Dictionary<string, double[]> Weights()
        => Model.Parameters.Slots.ToDictionary(slot => slot.Name, slot => Values(slot.Parameter));

    /// <summary>One forward and backward over all rows; gradients by name.</summary>
    public (double LossSum, Dictionary<string, double[]> Gradients) LossAndGradients()
    {
        using var scope = NewDisposeScope();
        Model.Parameters.BeginStep();
        var loss = Model.LossSum(Row(Ids), Row(Targets), Layout());
        loss.backward();
        return (loss.to(ScalarType.Float64).item<double>(), Model.Parameters.Slots.ToDictionary(slot => slot.Name, slot => Values(slot.Gradient)));
    }

    public static Tensor Row(int[][] rows) => tensor(rows.SelectMany(row => row).ToArray());

    public static TokenLayout Layout() => new(Ids.Length, Ids[0].Length, Row(Positions));

    public static double[] Values(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.detach().to(ScalarType.Float64).contiguous().view(-1).data<double>().ToArray();
    }

    public void Dispose() => Model.Dispose();
}
