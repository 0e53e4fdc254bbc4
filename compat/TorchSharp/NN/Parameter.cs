using static TorchSharp.torch;

namespace TorchSharp.Modules;

/// <summary>A tensor that is trained. Takes the native tensor over: the one it was made from is empty afterwards.</summary>
public class Parameter : Tensor
{
    public Parameter(Tensor data, bool requires_grad = true) : base(data.DecoupleFromNativeHandle())
        => this.requires_grad = requires_grad;
}
