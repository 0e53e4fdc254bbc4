using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Parallel.Autograd;

/// <summary>A differentiable function with several results. Graphs that hold it are differentiated by <see cref="BackwardPass"/>.</summary>
public abstract class SeveralResultsFunction<T> : MultiTensorFunction<T> where T : SeveralResultsFunction<T>, new()
{
    public sealed override List<Tensor> forward(AutogradContext ctx, params object[] vars)
    {
        BackwardPass.Enter(ctx, vars);
        return Compute(ctx, vars);
    }

    public sealed override List<Tensor> backward(AutogradContext ctx, List<Tensor> grad_outputs)
        => BackwardPass.RunNode(Name, ctx, grad_outputs, Differentiate);

    /// <summary>The results. Saves in the context what <see cref="Differentiate"/> needs.</summary>
    protected abstract List<Tensor> Compute(AutogradContext context, object[] arguments);

    /// <summary>
    /// The gradient of each argument; null where there is none. Runs in a dispose scope of its own, without gradients, on any thread, at most once.
    /// </summary>
    /// <param name="context">Of the call of <see cref="Compute"/>.</param>
    /// <param name="gradients">Of the results, null for those that nothing depends on; not all are null. Other nodes may share them: they are not written to.</param>
    protected abstract List<Tensor?> Differentiate(AutogradContext context, Tensor?[] gradients);
}
