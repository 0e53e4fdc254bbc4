using KvShiftScale.Parallel.Autograd;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Parallel.Parameters;

/// <summary>Forward: the parameter. Backward: hands the gradient to the parameter's slot.</summary>
internal sealed class ParameterUse : SingleResultFunction<ParameterUse>
{
    public override string Name => nameof(ParameterUse);

    public static Tensor Apply(ParameterSlot slot) => apply(slot.Parameter, slot);

    protected override Tensor Compute(AutogradContext context, object[] arguments)
    {
        context.save_data("slot", arguments[1]);
        return ((Tensor)arguments[0]).alias();
    }

    protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
    {
        ((ParameterSlot)context.get_data("slot")).Accumulate(gradient);
        return [null, null];
    }
}
