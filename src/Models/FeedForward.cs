using KvShiftScale.Models.Configuration;
using KvShiftScale.Models.Operations;
using KvShiftScale.Parallel.Layers;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;

namespace KvShiftScale.Models;

/// <summary>SwiGLU feed-forward: down(silu(gate(x)) * up(x)).</summary>
public sealed class FeedForward : nn.Module<Activation, Tensor>
{
    private readonly TensorRegion _region;
    private readonly Linear _gate;
    private readonly Linear _up;
    private readonly Linear _down;

    public FeedForward(ParameterBuckets parameters, string name, ModelConfig config, TensorRegion region) : base(name)
    {
        _region = region;
        _gate = new Linear(parameters, $"{name}.gate_proj", region.Divided(axis: 0, config.FfnSize, config.HiddenSize));
        _up = new Linear(parameters, $"{name}.up_proj", region.Divided(axis: 0, config.FfnSize, config.HiddenSize));
        _down = new Linear(parameters, $"{name}.down_proj", region.Divided(axis: 1, config.HiddenSize, config.FfnSize));
        register_module("gate_proj", _gate);
        register_module("up_proj", _up);
        register_module("down_proj", _down);
    }

    /// <summary>Whether the product of gate and up is made again in backward instead of being kept.</summary>
    public bool ProductIsRemade { get; set; }

    public override Tensor forward(Activation x)
    {
        x = _region.Enter(x);
        return _region.Leave(_down.call(SwiGluOperation.Apply(_gate.call(x), _up.call(x), ProductIsRemade)));
    }
}
