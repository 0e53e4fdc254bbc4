using KvShiftScale.Models.Operations;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Layers;
using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;

namespace KvShiftScale.Models;

/// <summary>SwiGLU feed-forward: down(silu(gate(x)) * up(x)).</summary>
public sealed class FeedForward : nn.Module<Activation, Tensor>
{
    private readonly IKernels _kernels;
    private readonly TensorRegion _region;
    private readonly Linear _gate;
    private readonly Linear _up;
    private readonly Linear _down;

    internal FeedForward(ModelParameters parameters, string name) : base(name)
    {
        _kernels = parameters.Kernels;
        _region = parameters.Region;
        _gate = Projection("gate_proj");
        _up = Projection("up_proj");
        _down = Projection("down_proj");

        Linear Projection(string projection)
        {
            var linear = new Linear($"{name}.{projection}", parameters.Create($"{name}.{projection}.weight"));
            register_module(projection, linear);
            return linear;
        }
    }

    /// <summary>Whether the product of gate and up is made again in backward instead of being kept.</summary>
    public bool ProductIsRemade { get; set; }

    public override Tensor forward(Activation x)
    {
        x = _region.Enter(x);
        return _region.Leave(_down.call(SwiGluOperation.Apply(_kernels, _gate.call(x), _up.call(x), ProductIsRemade)));
    }
}
