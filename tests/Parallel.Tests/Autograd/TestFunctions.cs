using KvShiftScale.Parallel.Autograd;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Parallel.Tests.Autograd;

/// <summary>x^2, from the saved input.</summary>
internal sealed class SquareFunction : SingleResultFunction<SquareFunction>
{
    public override string Name => nameof(SquareFunction);

    protected override Tensor Compute(AutogradContext context, object[] arguments)
    {
        var x = (Tensor)arguments[0];
        context.save_for_backward([x]);
        return x * x;
    }

    protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient) => [gradient * context.get_saved_variables()[0] * 2];
}

/// <summary>e^(k x), from the saved result; the third argument is of no account.</summary>
internal sealed class ScaledExponentialFunction : SingleResultFunction<ScaledExponentialFunction>
{
    public override string Name => nameof(ScaledExponentialFunction);

    protected override Tensor Compute(AutogradContext context, object[] arguments)
    {
        var scale = (double)arguments[1];
        var y = ((Tensor)arguments[0] * scale).exp();
        context.save_for_backward([y]);
        context.save_data("scale", scale);
        return y;
    }

    protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
        => [gradient * context.get_saved_variables()[0] * (double)context.get_data("scale"), null, null];
}

/// <summary>(a + b, a * b); notes in a List&lt;bool&gt;, where one is given, which gradients arrived.</summary>
internal sealed class SumAndProductFunction : SeveralResultsFunction<SumAndProductFunction>
{
    public override string Name => nameof(SumAndProductFunction);

    protected override List<Tensor> Compute(AutogradContext context, object[] arguments)
    {
        var (a, b) = ((Tensor)arguments[0], (Tensor)arguments[1]);
        context.save_for_backward([a, b]);
        context.save_data("arrived", arguments[2]);
        return [a + b, a * b];
    }

    protected override List<Tensor?> Differentiate(AutogradContext context, Tensor?[] gradients)
    {
        ((List<bool>)context.get_data("arrived")).AddRange(gradients.Select(gradient => gradient is not null));
        var saved = context.get_saved_variables();
        return [Sum(gradients[0], gradients[1], saved[1]), Sum(gradients[0], gradients[1], saved[0]), null];

        static Tensor? Sum(Tensor? ofSum, Tensor? ofProduct, Tensor other) => (ofSum, ofProduct) switch
        {
            (null, not null) => ofProduct * other,
            (not null, null) => ofSum,
            _ => ofSum! + ofProduct! * other,
        };
    }
}

/// <summary>x itself, and the gradient itself; shows the gradient that comes by.</summary>
internal sealed class ShownFunction : SingleResultFunction<ShownFunction>
{
    public override string Name => nameof(ShownFunction);

    protected override Tensor Compute(AutogradContext context, object[] arguments)
    {
        context.save_data("show", arguments[1]);
        return ((Tensor)arguments[0]).alias();
    }

    protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
    {
        ((Action<Tensor>)context.get_data("show"))(gradient);
        return [gradient, null];
    }
}

/// <summary>a * b, without a gradient for b.</summary>
internal sealed class FirstGradientOnlyFunction : SingleResultFunction<FirstGradientOnlyFunction>
{
    public override string Name => nameof(FirstGradientOnlyFunction);

    protected override Tensor Compute(AutogradContext context, object[] arguments)
    {
        context.save_for_backward([(Tensor)arguments[1]]);
        return (Tensor)arguments[0] * (Tensor)arguments[1];
    }

    protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient) => [gradient * context.get_saved_variables()[0], null];
}

/// <summary>2x; fails in the way that its second argument names, which is else the message of a TimeoutException in backward.</summary>
internal sealed class FailingFunction : SingleResultFunction<FailingFunction>
{
    public override string Name => nameof(FailingFunction);

    protected override Tensor Compute(AutogradContext context, object[] arguments)
    {
        if (arguments[1] is "forward")
        {
            throw new KeyNotFoundException("forward");
        }

        context.save_data("failure", arguments[1]);
        return (Tensor)arguments[0] * 2;
    }

    protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient) => (string)context.get_data("failure") switch
    {
        "native" => [zeros(2, 3).mm(zeros(2, 3)), null],
        "too few" => [gradient],
        "gradient of text" => [gradient, gradient],
        "another shape" => [zeros(7), null],
        var message => throw new TimeoutException(message),
    };
}

/// <summary>2x, whose backward runs another pass over a graph that it makes: of 2x, and of what fails with the message given.</summary>
internal sealed class NestedFunction : SingleResultFunction<NestedFunction>
{
    public override string Name => nameof(NestedFunction);

    protected override Tensor Compute(AutogradContext context, object[] arguments)
    {
        context.save_for_backward([(Tensor)arguments[0]]);
        context.save_data("failure", arguments[1]);
        return (Tensor)arguments[0] * 2;
    }

    protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
    {
        var x = context.get_saved_variables()[0].detach().requires_grad_();
        using (enable_grad())
        {
            var y = context.get_data("failure") is string failure ? FailingFunction.apply(x, failure) : ShownFunction.apply(x, (Action<Tensor>)(_ => { })) * 2;
            BackwardPass.Run([y], [gradient]);
        }
        return [x.grad, null];
    }
}
