using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Parallel.Parameters;

/// <summary>Forward: the parameter. Backward: hands the gradient to the parameter's slot.</summary>
internal sealed class ParameterUse : SingleTensorFunction<ParameterUse>
{
    public override string Name => nameof(ParameterUse);

    public static Tensor Apply(ParameterSlot slot) => apply(slot.Parameter, slot);

    public override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        ctx.save_data("slot", vars[1]);
        return ((Tensor)vars[0]).alias();
    }

    public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
    {
        ((ParameterSlot)ctx.get_data("slot")).Accumulate(grad_output);
        return [null!, null!];
    }
}
