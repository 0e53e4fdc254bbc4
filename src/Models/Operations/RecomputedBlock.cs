using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Models.Operations;

/// <summary>
/// A block whose activations are not kept: backward runs it again from its inputs (Chen et al. 2016). The second run makes the bits of
/// the first, so gradients are those of a block that keeps everything.
/// </summary>
internal sealed class RecomputedBlock : MultiTensorFunction<RecomputedBlock>
{
    public override string Name => nameof(RecomputedBlock);

    /// <summary>As <see cref="TransformerBlock.Forward"/>.</summary>
    public static (Tensor Residual, Tensor Pending) Apply(TransformerBlock block, Tensor residual, Tensor? pending, TokenLayout layout)
    {
        var results = pending is null ? apply(residual, block, layout) : apply(residual, pending, block, layout);
        return (results[0], results[1]);
    }

    public override List<Tensor> forward(AutogradContext ctx, params object[] vars)
    {
        List<Tensor> inputs = [.. vars.OfType<Tensor>()];
        var (block, layout) = ((TransformerBlock)vars[^2], (TokenLayout)vars[^1]);
        ctx.save_for_backward(inputs);
        ctx.save_data("block", block);
        ctx.save_data("layout", layout);
        var (residual, pending) = block.Forward(inputs[0], inputs.Count > 1 ? inputs[1] : null, layout);
        return [residual, pending];
    }

    public override List<Tensor> backward(AutogradContext ctx, List<Tensor> grad_outputs)
    {
        List<Tensor> inputs = [.. ctx.get_saved_variables().Select(saved => saved.detach().requires_grad_())];
        using (enable_grad())
        {
            Tensor residual, pending;
            using (NewDisposeScope())
            {
                (residual, pending) = ((TransformerBlock)ctx.get_data("block"))
                    .Forward(inputs[0], inputs.Count > 1 ? inputs[1] : null, (TokenLayout)ctx.get_data("layout"));
                residual = residual.MoveToOuterDisposeScope();
                pending = pending.MoveToOuterDisposeScope();
            }
            autograd.backward([residual, pending], grad_outputs);
        }
        return [.. inputs.Select(input => input.grad!), null!, null!];
    }
}
