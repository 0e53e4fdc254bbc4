using KvShiftScale.Models.Operations;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;

namespace KvShiftScale.Models;

/// <summary>RMSNorm with a learned weight [hidden_size].</summary>
public sealed class RmsNorm : nn.Module<Tensor, Activation>
{
    private readonly ParameterSlot _weight;
    private readonly double _epsilon;

    /// <param name="name">Name of the layer.</param>
    /// <param name="weight">[hidden_size].</param>
    /// <param name="epsilon">Added to the mean square.</param>
    public RmsNorm(string name, ParameterSlot weight, double epsilon) : base(name)
    {
        _weight = weight;
        _epsilon = epsilon;
        register_parameter("weight", _weight.Parameter);
    }

    /// <summary>[hidden_size].</summary>
    public ParameterSlot Weight => _weight;

    /// <summary>Whether users of the normalised rows make them again in backward instead of keeping them.</summary>
    public bool IsRemade { get; set; }

    public override Activation forward(Tensor x) => RmsNormOperation.Norm(x, _weight, _epsilon, IsRemade);

    /// <summary>norm(residual + x), where nothing else uses the sum.</summary>
    public Tensor NormOfSum(Tensor residual, Tensor x) => RmsNormOperation.NormOfSum(residual, x, _weight, _epsilon);

    /// <summary>(residual + x, norm of the sum).</summary>
    public (Tensor Sum, Activation Normalised) AddNorm(Tensor residual, Tensor x)
        => RmsNormOperation.AddNorm(residual, x, _weight, _epsilon, IsRemade);
}
