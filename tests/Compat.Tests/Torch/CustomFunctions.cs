using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Compat.Tests.Torch;

/// <summary>x^2, from the saved input.</summary>
internal sealed class SquareFunction : SingleTensorFunction<SquareFunction>
{
    public override string Name => nameof(SquareFunction);

    public override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        var x = (Tensor)vars[0];
        ctx.save_for_backward([x]);
        return x * x;
    }

    public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output) => [grad_output * ctx.get_saved_variables()[0] * 2];
}

/// <summary>e^(k x), from the saved output; the third argument is of no account.</summary>
internal sealed class ScaledExponentialFunction : SingleTensorFunction<ScaledExponentialFunction>
{
    public override string Name => nameof(ScaledExponentialFunction);

    public override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        var scale = (double)vars[1];
        var y = ((Tensor)vars[0] * scale).exp();
        ctx.save_for_backward([y]);
        ctx.save_data("scale", scale);
        return y;
    }

    public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
        => [grad_output * ctx.get_saved_variables()[0] * (double)ctx.get_data("scale"), null!, null!];
}

/// <summary>(a + b, a * b).</summary>
internal sealed class SumAndProductFunction : MultiTensorFunction<SumAndProductFunction>
{
    public override string Name => nameof(SumAndProductFunction);

    public override List<Tensor> forward(AutogradContext ctx, params object[] vars)
    {
        var (a, b) = ((Tensor)vars[0], (Tensor)vars[1]);
        ctx.save_for_backward([a, b]);
        return [a + b, a * b];
    }

    public override List<Tensor> backward(AutogradContext ctx, List<Tensor> grad_outputs)
    {
        var saved = ctx.get_saved_variables();
        return [grad_outputs[0] + grad_outputs[1] * saved[1], grad_outputs[0] + grad_outputs[1] * saved[0]];
    }
}

/// <summary>(2x, 3x); notes in a List&lt;bool&gt; which gradients arrived invalid.</summary>
internal sealed class GradientProbeFunction : MultiTensorFunction<GradientProbeFunction>
{
    public override string Name => nameof(GradientProbeFunction);

    public override List<Tensor> forward(AutogradContext ctx, params object[] vars)
    {
        ctx.set_materialize_grads(false);
        ctx.save_data("seen", vars[1]);
        return [(Tensor)vars[0] * 2, (Tensor)vars[0] * 3];
    }

    public override List<Tensor> backward(AutogradContext ctx, List<Tensor> grad_outputs)
    {
        var seen = (List<bool>)ctx.get_data("seen");
        seen.AddRange(grad_outputs.Select(gradient => gradient.IsInvalid));
        return [grad_outputs[1] * 3, null!];
    }
}

/// <summary>a * b, without a gradient for b.</summary>
internal sealed class FirstGradientOnlyFunction : SingleTensorFunction<FirstGradientOnlyFunction>
{
    public override string Name => nameof(FirstGradientOnlyFunction);

    public override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        ctx.save_for_backward([(Tensor)vars[1]]);
        return (Tensor)vars[0] * (Tensor)vars[1];
    }

    public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output) => [grad_output * ctx.get_saved_variables()[0], null!];
}

/// <summary>x itself; notes the gradient that comes by in a List&lt;float&gt; and doubles it.</summary>
internal sealed class IdentityFunction : SingleTensorFunction<IdentityFunction>
{
    public override string Name => nameof(IdentityFunction);

    public override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        ctx.save_data("seen", vars[1]);
        return (Tensor)vars[0];
    }

    public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
    {
        var seen = (List<float>)ctx.get_data("seen");
        if (grad_output.numel() > 1) return [grad_output, null!];
        seen.Add(grad_output.item<float>());
        return [grad_output * 2, null!];
    }
}

/// <summary>(largest element, its index, a copy of the input marked as not differentiable).</summary>
internal sealed class ArgMaxFunction : MultiTensorFunction<ArgMaxFunction>
{
    public override string Name => nameof(ArgMaxFunction);

    public override List<Tensor> forward(AutogradContext ctx, params object[] vars)
    {
        var x = (Tensor)vars[0];
        var copy = x.clone();
        ctx.mark_non_differentiable([copy]);
        return [x.max(), x.argmax(0), copy];
    }

    public override List<Tensor> backward(AutogradContext ctx, List<Tensor> grad_outputs)
        => throw new NotSupportedException("the tests never ask for this gradient");
}

/// <summary>2x; notes the grad mode of both passes in a List&lt;bool&gt;.</summary>
internal sealed class GradModeProbeFunction : SingleTensorFunction<GradModeProbeFunction>
{
    public override string Name => nameof(GradModeProbeFunction);

    public override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        var modes = (List<bool>)vars[1];
        modes.Add(is_grad_enabled());
        ctx.save_data("modes", modes);
        return (Tensor)vars[0] * 2;
    }

    public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
    {
        ((List<bool>)ctx.get_data("modes")).Add(is_grad_enabled());
        return [grad_output * 2, null!];
    }
}

/// <summary>2x; fails in the way that its second argument names, which is else the message of a TimeoutException in backward.</summary>
internal sealed class FailingFunction : SingleTensorFunction<FailingFunction>
{
    public override string Name => nameof(FailingFunction);

    public override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        if (vars[1] is "forward") throw new KeyNotFoundException("forward");
        ctx.save_data("failure", vars[1]);
        return (Tensor)vars[0] * 2;
    }

    public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output) => (string)ctx.get_data("failure") switch
    {
        "native" => [zeros(2, 3).mm(zeros(2, 3)), null!],
        "too few" => [grad_output],
        var message => throw new TimeoutException(message),
    };
}
