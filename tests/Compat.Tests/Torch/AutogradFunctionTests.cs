using System.Globalization;
using System.Runtime.InteropServices;
using KvShiftScale.Testing;
using static TorchSharp.torch;

namespace KvShiftScale.Compat.Tests.Torch;

/// <summary>Custom functions: see CustomFunctions.cs for those applied here.</summary>
public sealed class AutogradFunctionTests
{
    [Fact]
    public void SquareInAChain()
    {
        using var scope = NewDisposeScope();
        // sum((2x)^2 * 3): value 12 (1 + 9) = 120, gradient 24x.
        var x = tensor([1f, -3f], requires_grad: true);
        var y = (SquareFunction.apply(x * 2) * 3).sum();
        y.backward();
        Assert.Equal(120f, y.item<float>());
        Assert.Equal([24f, -72f], x.grad!.data<float>().ToArray());
    }

    [Fact]
    public void SavedOutputsAndPlainArguments()
    {
        using var scope = NewDisposeScope();
        // y = e^(k x) saves its own result: y' = k y.
        var x = tensor([0f, MathF.Log(2)], requires_grad: true);
        var y = ScaledExponentialFunction.apply(x, 2.0, "a note");
        Assert.Equal(4f, y.data<float>().ToArray()[1], 5);
        y.sum().backward();
        Assert.Equal(2f, x.grad!.data<float>().ToArray()[0], 5);
        Assert.Equal(8f, x.grad!.data<float>().ToArray()[1], 5);
    }

    [Fact]
    public void SeveralInputsAndOutputs()
    {
        using var scope = NewDisposeScope();
        // (a + b, a * b), differentiated as 5 (a + b) + a b: gradients 5 + b and 5 + a.
        var a = tensor([2f], requires_grad: true);
        var b = tensor([3f], requires_grad: true);
        var outputs = SumAndProductFunction.apply(a, b);
        Assert.Equal((5f, 6f), (outputs[0].item<float>(), outputs[1].item<float>()));
        (outputs[0] * 5 + outputs[1]).sum().backward();
        Assert.Equal((8f, 7f), (a.grad!.item<float>(), b.grad!.item<float>()));
    }

    [Fact]
    public void MissingGradientsArriveAsZeros()
    {
        using var scope = NewDisposeScope();
        var a = tensor([2f], requires_grad: true);
        var b = tensor([3f], requires_grad: true);
        SumAndProductFunction.apply(a, b)[1].sum().backward();
        Assert.Equal((3f, 2f), (a.grad!.item<float>(), b.grad!.item<float>()));
    }

    [Fact]
    public void MissingGradientsArriveInvalidWhereThatIsAskedFor()
    {
        using var scope = NewDisposeScope();
        var before = LiveTensors.Settled();
        var x = tensor([2f], requires_grad: true);
        var seen = new List<bool>();
        var outputs = GradientProbeFunction.apply(x, seen);
        outputs[1].sum().backward();
        Assert.Equal([true, false], seen);
        Assert.Equal(3f, x.grad!.item<float>());
        scope.Dispose();
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void NullGradientsStopThere()
    {
        using var scope = NewDisposeScope();
        var a = tensor([2f], requires_grad: true);
        var b = tensor([3f], requires_grad: true);
        FirstGradientOnlyFunction.apply(a, b).sum().backward();
        Assert.Equal(3f, a.grad!.item<float>());
        Assert.Null(b.grad);
    }

    [Fact]
    public void IdentityReturnsItsInputAndSeesTheGradient()
    {
        using var scope = NewDisposeScope();
        var x = tensor([2f], requires_grad: true);
        var seen = new List<float>();
        var y = IdentityFunction.apply(x, seen);
        Assert.Equal(2f, y.item<float>());
        Assert.Equal((true, false), (x.is_leaf, y.is_leaf));
        (y * 10).sum().backward();
        Assert.Equal([10f], seen);
        Assert.Equal(20f, x.grad!.item<float>());
    }

    [Fact]
    public void NonDifferentiableOutputsHaveNoHistory()
    {
        using var scope = NewDisposeScope();
        var outputs = ArgMaxFunction.apply(tensor([1f, 5f, 2f], requires_grad: true));
        Assert.Equal(5f, outputs[0].item<float>());
        Assert.Equal((true, false, false), (outputs[0].requires_grad, outputs[1].requires_grad, outputs[2].requires_grad));
    }

    [Fact]
    public void GradModeIsOffInForwardAndBackward()
    {
        using var scope = NewDisposeScope();
        var modes = new List<bool>();
        GradModeProbeFunction.apply(tensor([1f], requires_grad: true), modes).sum().backward();
        Assert.Equal([false, false], modes);
        Assert.True(is_grad_enabled());
    }

    [Fact]
    public void NothingIsRecordedWithoutNeed()
    {
        using var scope = NewDisposeScope();
        Assert.False(SquareFunction.apply(tensor([2f])).requires_grad);
        using (no_grad()) Assert.False(SquareFunction.apply(tensor([2f], requires_grad: true)).requires_grad);
    }

    [Fact]
    public void ExceptionInForwardReachesTheCaller()
    {
        using var scope = NewDisposeScope();
        var x = tensor([2f], requires_grad: true);
        Assert.Throws<KeyNotFoundException>(() => FailingFunction.apply(x, "forward"));
    }

    [Fact]
    public void ExceptionInBackwardReachesTheCallerAsItself()
    {
        using var scope = NewDisposeScope();
        var x = tensor([2f], requires_grad: true);
        var y = (FailingFunction.apply(x * 2, "thread 1") * 2).sum();
        var exception = Assert.Throws<TimeoutException>(y.backward);
        Assert.Equal("thread 1", exception.Message);
        Assert.Contains(nameof(FailingFunction), exception.StackTrace, StringComparison.Ordinal);

        // The engine goes on working, and nothing of the exception is left over.
        (x * x).sum().backward();
        Assert.Equal(4f, x.grad!.item<float>());
    }

    [Fact]
    public void NativeErrorInBackwardReachesTheCaller()
    {
        using var scope = NewDisposeScope();
        var x = tensor([2f], requires_grad: true);
        var y = FailingFunction.apply(x, "native").sum();
        var exception = Assert.Throws<ExternalException>(y.backward);
        Assert.Contains("shapes cannot be multiplied", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WrongNumberOfGradientsIsNamed()
    {
        using var scope = NewDisposeScope();
        var y = FailingFunction.apply(tensor([2f], requires_grad: true), "too few").sum();
        var exception = Assert.Throws<InvalidOperationException>(y.backward);
        Assert.Equal("backward returned 1 gradients for 2 arguments of forward", exception.Message);
    }

    [Fact]
    public void SecondBackwardOverFreedTensorsIsRefused()
    {
        using var scope = NewDisposeScope();
        var y = SquareFunction.apply(tensor([2f], requires_grad: true)).sum();
        y.backward();
        var exception = Assert.Throws<ExternalException>(y.backward);
        Assert.Contains("second time", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ChangeOfASavedTensorIsNoticed()
    {
        using var scope = NewDisposeScope();
        var x = tensor([2f], requires_grad: true);
        var twice = x * 2;
        var y = SquareFunction.apply(twice).sum();
        using (no_grad()) twice.zero_();
        var exception = Assert.Throws<ExternalException>(y.backward);
        Assert.Contains("modified by an inplace operation", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ThousandsOfApplicationsWithACollectorAtWorkLeakNothing()
    {
        var before = LiveTensors.Settled();
        using (NewDisposeScope())
        {
            var x = tensor([1f, 2f], requires_grad: true);
            for (var i = 0; i < 2000; i++)
            {
                using var step = NewDisposeScope();
                var outputs = SumAndProductFunction.apply(SquareFunction.apply(x), IdentityFunction.apply(x, new List<float>()));
                // x^2 + x + x^3: 2x + 1 + 3x^2.
                (outputs[0] + outputs[1]).sum().backward();
                if (i % 200 == 0) LiveTensors.Collect();
                // Every tenth graph is dropped without a backward.
                if (i % 10 == 0) _ = SquareFunction.apply(x);
            }
            Assert.Equal([12000f, 34000f], x.grad!.data<float>().ToArray());
        }
        LiveTensors.Collect();
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void ThreadsDoNotMixTheirGraphsOrExceptions()
    {
        var failures = new string?[4];
        var threads = Enumerable.Range(0, failures.Length).Select(index => new Thread(() => failures[index] = Work(index))).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        Assert.All(failures, Assert.Null);

        static string? Work(int index)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"thread {index}");
            for (var i = 0; i < 100; i++)
            {
                using var scope = NewDisposeScope();
                var x = tensor([index + 1f], requires_grad: true);
                SquareFunction.apply(x).sum().backward();
                if (x.grad!.item<float>() != 2 * (index + 1)) return $"{name}: gradient {x.grad!.item<float>()}";
                try
                {
                    FailingFunction.apply(x, name).sum().backward();
                    return $"{name}: no exception";
                }
                catch (TimeoutException exception) when (exception.Message == name)
                {
                }
                catch (TimeoutException exception)
                {
                    return $"{name} got the exception of {exception.Message}";
                }
            }
            return null;
        }
    }
}
