using KvShiftScale.Models.Layout;
using KvShiftScale.Parallel.Autograd;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Models;

/// <summary>
/// A block whose activations are not kept: backward runs it again from its inputs (Chen et al. 2016). The second run makes the bits of
/// the first, so gradients are those of a block that keeps everything.
/// </summary>
internal sealed class RecomputedBlock : SeveralResultsFunction<RecomputedBlock>
{
    public override string Name => nameof(RecomputedBlock);

    /// <summary>As <see cref="TransformerBlock.Forward"/>.</summary>
    public static (Tensor Residual, Tensor Pending) Apply(TransformerBlock block, Tensor residual, Tensor? pending, TokenLayout layout)
    {
        var results = pending is null ? apply(residual, block, layout) : apply(residual, pending, block, layout);
        return (results[0], results[1]);
    }

    protected override List<Tensor> Compute(AutogradContext context, object[] arguments)
    {
        List<Tensor> inputs = [.. arguments.OfType<Tensor>()];
        var (block, layout) = ((TransformerBlock)arguments[^2], (TokenLayout)arguments[^1]);
        context.save_for_backward(inputs);
        context.save_data("block", block);
        context.save_data("layout", layout);
        var (residual, pending) = block.Forward(inputs[0], inputs.Count > 1 ? inputs[1] : null, layout);
        return [residual, pending];
    }

    protected override List<Tensor?> Differentiate(AutogradContext context, Tensor?[] gradients)
    {
        List<Tensor> inputs = [.. context.get_saved_variables().Select(saved => saved.detach().requires_grad_())];
        using (enable_grad())
        {
            Tensor residual, pending;
            using (NewDisposeScope())
            {
                (residual, pending) = ((TransformerBlock)context.get_data("block"))
                    .Forward(inputs[0], inputs.Count > 1 ? inputs[1] : null, (TokenLayout)context.get_data("layout"));
                residual = residual.MoveToOuterDisposeScope();
                pending = pending.MoveToOuterDisposeScope();
            }
            BackwardPass.Run([residual, pending], gradients);
        }
        return [.. inputs.Select(input => input.grad), null, null];
    }
}
