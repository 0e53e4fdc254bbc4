using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Planning;

namespace KvShiftScale.Simulation;

/// <summary>Seconds in which a rank computes a part of its stage in one direction: the planner's, without what it reckons for links.</summary>
/// <param name="config">The run.</param>
/// <param name="hardware">What computes.</param>
/// <param name="links">What the planner's formulas are asked with.</param>
internal sealed class StageTime(RunConfig config, HardwareProfile hardware, LinkTime links)
{
    private readonly Dictionary<AttentionShape, double> _layers = [];

    /// <summary>A layer forward. Its backward takes twice that, and once more what is made again.</summary>
    public double LayerForward(int layer) => Layer(layer) / (config.Parallel.Recompute == Recompute.Full ? 4 : 3);

    /// <summary>A layer backward, without what is made again of whole blocks.</summary>
    public double LayerBackward(int layer) => Layer(layer) - LayerForward(layer) * (config.Parallel.Recompute == Recompute.Full ? 2 : 1);

    /// <summary>The embedding, half of it in each direction.</summary>
    public double Embedding { get; } = Computing(PassTime.OfEmbedding(config, hardware, links)) / 2;

    /// <summary>The head and its loss, whose gradients forward makes.</summary>
    public double Head { get; } = Computing(PassTime.OfHead(config, hardware, links));

    private double Layer(int layer)
    {
        var shape = config.Model.Attention(layer);
        if (!_layers.TryGetValue(shape, out var seconds))
        {
            _layers[shape] = seconds = Computing(PassTime.OfLayer(config, layer, hardware, links));
        }

        return seconds;
    }

    private static double Computing(PassTime pass) => pass.Products + pass.Attention + pass.Kernels;
}
