using System.Globalization;
using System.Runtime.InteropServices;
using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Testing;
using TorchSharp;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Tests.Autograd;

/// <summary>Our functions on libtorch's engine: values, gradients that are absent, failures, and what is left of it all.</summary>
public sealed class BackwardPassTests
{
    private static readonly Action<Tensor> Nothing = _ => { };

    [Fact]
    public void SquareInAChain()
    {
        using var scope = NewDisposeScope();
        // sum((2x)^2 * 3): value 12 (1 + 9) = 120, gradient 24x.
        var x = tensor([1f, -3f], requires_grad: true);
        var y = (SquareFunction.apply(x * 2) * 3).sum();
        BackwardPass.Run(y);
        Assert.Equal(120f, y.item<float>());
        Assert.Equal([24f, -72f], x.grad!.data<float>().ToArray());
    }

    [Fact]
    public void SavedResultsAndPlainArguments()
    {
        using var scope = NewDisposeScope();
        // y = e^(k x) saves its own result: y' = k y.
        var x = tensor([0f, MathF.Log(2)], requires_grad: true);
        var y = ScaledExponentialFunction.apply(x, 2.0, "a note");
        Assert.Equal(4f, y.data<float>().ToArray()[1], 5);
        BackwardPass.Run(y.sum());
        Assert.Equal(2f, x.grad!.data<float>().ToArray()[0], 5);
        Assert.Equal(8f, x.grad!.data<float>().ToArray()[1], 5);
    }

    [Fact]
    public void SeveralArgumentsAndResults()
    {
        using var scope = NewDisposeScope();
        // (a + b, a * b), differentiated as 5 (a + b) + a b: gradients 5 + b and 5 + a.
        var (a, b, arrived) = (tensor([2f], requires_grad: true), tensor([3f], requires_grad: true), new List<bool>());
        var results = SumAndProductFunction.apply(a, b, arrived);
        Assert.Equal((5f, 6f), (results[0].item<float>(), results[1].item<float>()));
        BackwardPass.Run((results[0] * 5 + results[1]).sum());
        Assert.Equal((8f, 7f), (a.grad!.item<float>(), b.grad!.item<float>()));
        Assert.Equal([true, true], arrived);
    }

    // The scope around forward is closed before backward, and what was made in it with it, as between the blocks of a model.
    [Theory]
    [InlineData(0, 1f, 1f)]
    [InlineData(1, 3f, 2f)]
    public void AbsentGradientsArriveAsNone(int used, float ofA, float ofB)
    {
        using var scope = NewDisposeScope();
        var (a, b, arrived) = (tensor([2f], requires_grad: true), tensor([3f], requires_grad: true), new List<bool>());
        Tensor loss;
        using (NewDisposeScope())
        {
            loss = SumAndProductFunction.apply(a, b, arrived)[used].sum().MoveToOuterDisposeScope();
        }

        BackwardPass.Run(loss);
        Assert.Equal([used == 0, used == 1], arrived);
        Assert.Equal((ofA, ofB), (a.grad!.item<float>(), b.grad!.item<float>()));
    }

    [Fact]
    public void ANullGradientStopsThere()
    {
        using var scope = NewDisposeScope();
        var (a, b) = (tensor([2f], requires_grad: true), tensor([3f], requires_grad: true));
        var reached = false;
        BackwardPass.Run(FirstGradientOnlyFunction.apply(a, ShownFunction.apply(b, (Action<Tensor>)(_ => reached = true))).sum());
        Assert.Equal(3f, a.grad!.item<float>());
        Assert.Null(b.grad);
        Assert.False(reached);
    }

    [Fact]
    public void AGradientThatIsHandedOnIsWhole()
    {
        using var scope = NewDisposeScope();
        var x = tensor([2f], requires_grad: true);
        var seen = new List<float>();
        BackwardPass.Run((ShownFunction.apply(x * 2, (Action<Tensor>)(gradient => seen.Add(gradient.item<float>()))) * 10).sum());
        Assert.Equal([10f], seen);
        Assert.Equal(20f, x.grad!.item<float>());
    }

    [Fact]
    public void GradientsAreOffInBackwardAndOnAgainAfterwards()
    {
        using var scope = NewDisposeScope();
        var modes = new List<bool>();
        BackwardPass.Run(ShownFunction.apply(tensor([1f], requires_grad: true), (Action<Tensor>)(_ => modes.Add(is_grad_enabled()))).sum());
        Assert.Equal([false], modes);
        Assert.True(is_grad_enabled());
    }

    [Fact]
    public void NothingIsRecordedWithoutNeed()
    {
        using var scope = NewDisposeScope();
        Assert.False(SquareFunction.apply(tensor([2f])).requires_grad);
        using (no_grad())
        {
            Assert.False(SquareFunction.apply(tensor([2f], requires_grad: true)).requires_grad);
        }
    }

    [Fact]
    public void AnExceptionInForwardReachesTheCaller()
    {
        using var scope = NewDisposeScope();
        var x = tensor([2f], requires_grad: true);
        Assert.Throws<KeyNotFoundException>(() => FailingFunction.apply(x, "forward"));
    }

    [Fact]
    public void AnExceptionInBackwardReachesTheStepAsItself()
    {
        using var scope = NewDisposeScope();
        var x = tensor([2f], requires_grad: true);
        var y = (FailingFunction.apply(x * 2, "late") * 2).sum();
        var exception = Assert.Throws<TimeoutException>(() => BackwardPass.Run(y));
        Assert.Equal("late", exception.Message);
        Assert.Contains(nameof(FailingFunction), exception.StackTrace, StringComparison.Ordinal);
        Assert.Null(x.grad);

        // The engine goes on working, and nothing of the exception is left over.
        BackwardPass.Run((x * x).sum());
        Assert.Equal(4f, x.grad!.item<float>());
    }

    // Collectives of later nodes would wait for ranks that do the same.
    [Fact]
    public void AfterAFailureNothingMoreIsComputed()
    {
        using var scope = NewDisposeScope();
        var reached = 0;
        var x = ShownFunction.apply(tensor([2f], requires_grad: true), (Action<Tensor>)(_ => reached++));
        Assert.Throws<TimeoutException>(() => BackwardPass.Run(FailingFunction.apply(x, "first").sum()));
        Assert.Equal(0, reached);
    }

    [Fact]
    public void TheFirstOfTwoExceptionsIsThrown()
    {
        using var scope = NewDisposeScope();
        var x = tensor([2f], requires_grad: true);
        Assert.Equal("second", Assert.Throws<TimeoutException>(() => BackwardPass.Run(FailingFunction.apply(FailingFunction.apply(x, "first"), "second").sum())).Message);
    }

    [Fact]
    public void ANativeErrorReachesTheStep()
    {
        using var scope = NewDisposeScope();
        var y = FailingFunction.apply(tensor([2f], requires_grad: true), "native").sum();
        Assert.Contains("shapes cannot be multiplied", Assert.Throws<ExternalException>(() => BackwardPass.Run(y)).Message, StringComparison.Ordinal);
    }

    // Found by the engine itself, between two nodes.
    [Fact]
    public void AGradientOfAnotherShapeReachesTheStep()
    {
        using var scope = NewDisposeScope();
        var y = FailingFunction.apply(tensor([2f, 3f], requires_grad: true) * 2, "another shape").sum();
        Assert.Contains("invalid gradient", Assert.Throws<ExternalException>(() => BackwardPass.Run(y)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("too few", "FailingFunction returned 1 gradients for 2 arguments of forward")]
    [InlineData("gradient of text", "FailingFunction returned a gradient for argument 1 of forward, which is no tensor")]
    public void WrongGradientsAreNamed(string failure, string message)
    {
        using var scope = NewDisposeScope();
        var y = FailingFunction.apply(tensor([2f], requires_grad: true), failure).sum();
        Assert.Equal(message, Assert.Throws<InvalidOperationException>(() => BackwardPass.Run(y)).Message);
    }

    [Fact]
    public void AFailureThatNobodyHasAskedForIsThrownByTheNextForward()
    {
        using var scope = NewDisposeScope();
        var x = tensor([2f], requires_grad: true);
        FailingFunction.apply(x, "unseen").sum().backward();
        Assert.Equal("unseen", Assert.Throws<TimeoutException>(() => SquareFunction.apply(x)).Message);
        Assert.Equal(4f, SquareFunction.apply(x).item<float>());
    }

    [Fact]
    public void ASecondBackwardIsRefused()
    {
        using var scope = NewDisposeScope();
        var y = SquareFunction.apply(tensor([2f], requires_grad: true)).sum();
        BackwardPass.Run(y);
        Assert.Contains("second time", Assert.ThrowsAny<Exception>(() => BackwardPass.Run(y)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AChangeOfASavedTensorIsNoticed()
    {
        using var scope = NewDisposeScope();
        var twice = tensor([2f], requires_grad: true) * 2;
        var y = SquareFunction.apply(twice).sum();
        using (no_grad())
        {
            twice.zero_();
        }
        Assert.Contains("modified by an inplace operation", Assert.Throws<ExternalException>(() => BackwardPass.Run(y)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void APassWithinAPassDifferentiatesAndFailsLikeAnyOther()
    {
        using var scope = NewDisposeScope();
        var x = tensor([3f], requires_grad: true);
        BackwardPass.Run(NestedFunction.apply(SquareFunction.apply(x), null!).sum());
        Assert.Equal(12f, x.grad!.item<float>());
        Assert.Equal("inner", Assert.Throws<TimeoutException>(() => BackwardPass.Run(NestedFunction.apply(x, "inner").sum())).Message);
        BackwardPass.Run(SquareFunction.apply(x).sum());
        Assert.Equal(18f, x.grad!.item<float>());
    }

    // 40 gradients and 40 saved tensors of 1 MiB: each goes as soon as the engine has what it needs.
    [Fact]
    public void ALongChainHoldsAFewGradientsAtATimeAndLetsGoOfWhatItSaved()
    {
        const int length = 40;
        using var scope = NewDisposeScope();
        var live = new List<long>();
        Tensor loss;
        using (NewDisposeScope())
        {
            var x = ones(1 << 18, requires_grad: true);
            for (var i = 0; i < length; i++)
            {
                x = ShownFunction.apply(SquareFunction.apply(x), (Action<Tensor>)(_ => live.Add(Tensor.TotalCount)));
            }
            loss = x.sum().MoveToOuterDisposeScope();
        }

        BackwardPass.Run(loss);
        Assert.Equal(length, live.Count);
        Assert.InRange(live.Max() - live.Min(), 0, 6);
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
                var results = SumAndProductFunction.apply(SquareFunction.apply(x), ShownFunction.apply(x, Nothing), new List<bool>());
                // x^2 + x + x^3: 2x + 1 + 3x^2.
                BackwardPass.Run((results[0] + results[1]).sum());
                if (i % 200 == 0)
                {
                    LiveTensors.Collect();
                }

                // Every tenth graph is dropped without a backward.
                if (i % 10 == 0)
                {
                    _ = SquareFunction.apply(x);
                }
            }
            Assert.Equal([12000f, 34000f], x.grad!.data<float>().ToArray());
        }
        Assert.Equal(before, Tensor.TotalCount);
    }

    // Without a scope around it a thread leaves to the finalizer what the engine gives it: our functions must not.
    [Fact]
    public void OnAThreadWithoutAScopeNodesLeaveNothingToTheFinalizer()
    {
        var left = long.MinValue;
        var thread = new Thread(() =>
        {
            using var x = tensor([1f, 2f], requires_grad: true);
            using var y = SquareFunction.apply(x);
            using var sum = y.sum();
            var before = Tensor.TotalCount;
            BackwardPass.Run(sum);
            left = Tensor.TotalCount - before;
        });
        LiveTensors.Settled();
        thread.Start();
        thread.Join();
        Assert.Equal(0, left);
        LiveTensors.Collect();
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
                BackwardPass.Run(SquareFunction.apply(x).sum());
                if (x.grad!.item<float>() != 2 * (index + 1))
                {
                    return $"{name}: gradient {x.grad!.item<float>()}";
                }

                try
                {
                    BackwardPass.Run(FailingFunction.apply(x, name).sum());
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

    // Until kernels and collectives for devices are built.
    [Fact]
    public void TensorsOnADeviceHaveNoAddressInHostMemory()
    {
        using var scope = NewDisposeScope();
        var elsewhere = zeros([2, 2], ScalarType.Float32, new Device(DeviceType.META));
        var exception = Assert.Throws<NotSupportedException>(() => TensorMemory.Address(elsewhere));
        Assert.Contains("meta", exception.Message, StringComparison.Ordinal);
    }
}
