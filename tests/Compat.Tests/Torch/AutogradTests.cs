using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace KvShiftScale.Compat.Tests.Torch;

public sealed class AutogradTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void GradientOfAnExpression()
    {
        // d/dx sum(x^2 * y) = 2xy and d/dy = x^2.
        var x = tensor([1f, -3f], requires_grad: true);
        var y = tensor([5f, 2f], requires_grad: true);
        (x * x * y).sum().backward();
        Assert.Equal([10f, -12f], x.grad!.data<float>().ToArray());
        Assert.Equal([1f, 9f], y.grad!.data<float>().ToArray());
    }

    [Fact]
    public void GradientIsNullBeforeAndAddsUpAfterwards()
    {
        var x = tensor([2f], requires_grad: true);
        Assert.Null(x.grad);
        (x * 3).sum().backward();
        (x * 4).sum().backward();
        Assert.Equal(7f, x.grad!.item<float>());
        x.grad = null;
        Assert.Null(x.grad);
    }

    [Fact]
    public void GradientsAccumulateInViewsOfAFlatBuffer()
    {
        var flat = zeros(5);
        var a = tensor([1f, 2f], requires_grad: true);
        var b = tensor([1f, 1f, 1f], requires_grad: true);
        a.grad = flat.narrow(0, 0, 2);
        b.grad = flat.narrow(0, 2, 3);
        ((a * a).sum() + (b * 3).sum()).backward();
        Assert.Equal([2f, 4f, 3f, 3f, 3f], flat.data<float>().ToArray());

        flat.zero_();
        Assert.Equal([0f, 0f], a.grad!.data<float>().ToArray());
    }

    [Fact]
    public void NoGradRecordsNothingAndEndsWithItsScope()
    {
        var x = tensor([2f], requires_grad: true);
        Assert.True(is_grad_enabled());
        using (no_grad())
        {
            Assert.False((x * x).requires_grad);
            using (enable_grad()) Assert.True((x * x).requires_grad);
            Assert.False(is_grad_enabled());
        }
        Assert.True((x * x).requires_grad);
    }

    [Fact]
    public void DetachCutsTheGraph()
    {
        var x = tensor([2f], requires_grad: true);
        Assert.False((x * x).detach().requires_grad);
        (x * x.detach()).sum().backward();
        Assert.Equal(2f, x.grad!.item<float>());
    }

    [Fact]
    public void LeavesAndFlags()
    {
        var x = zeros(2).requires_grad_();
        Assert.Equal((true, true), (x.is_leaf, x.requires_grad));
        Assert.False((x + 1).is_leaf);
        x.requires_grad = false;
        Assert.False((x + 1).requires_grad);
    }

    [Fact]
    public void BackwardOfSeveralElementsIsRefused()
    {
        var x = tensor([1f, 2f], requires_grad: true);
        var exception = Assert.Throws<System.Runtime.InteropServices.ExternalException>(() => (x * x).backward());
        Assert.Contains("scalar outputs", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ParameterEmptiesItsDataAndStaysAView()
    {
        var flat = zeros(4);
        var data = flat.narrow(0, 1, 2);
        var parameter = new Parameter(data);
        Assert.True(data.IsInvalid);
        Assert.Equal((true, true), (parameter.requires_grad, parameter.is_leaf));
        using (no_grad()) parameter.fill_(7);
        Assert.Equal([0f, 7f, 7f, 0f], flat.data<float>().ToArray());
        Assert.False(new Parameter(zeros(1), requires_grad: false).requires_grad);
    }
}
