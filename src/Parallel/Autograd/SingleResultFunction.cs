using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Parallel.Autograd;

/// <summary>A differentiable function with one result. Graphs that hold it are differentiated by <see cref="BackwardPass"/>.</summary>
public abstract class SingleResultFunction<T> : SingleTensorFunction<T> where T : SingleResultFunction<T>, new()
{
    public sealed override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        BackwardPass.Enter(ctx, vars);
        return Compute(ctx, vars);
    }

    public sealed override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
        => BackwardPass.RunNode(Name, ctx, [grad_output], (context, gradients) => Differentiate(context, gradients[0]!));

    /// <summary>The result. Saves in the context what <see cref="Differentiate"/> needs.</summary>
    protected abstract Tensor Compute(AutogradContext context, object[] arguments);

    /// <summary>
    /// The gradient of each argument; null where there is none. Runs in a dispose scope of its own, without gradients, on any thread, at most once.
    /// </summary>
    /// <param name="context">Of the call of <see cref="Compute"/>.</param>
    /// <param name="gradient">Of the result. Other nodes may share it: it is not written to.</param>
    protected abstract List<Tensor?> Differentiate(AutogradContext context, Tensor gradient);
}
