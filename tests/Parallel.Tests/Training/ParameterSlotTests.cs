using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Tests.Training;

public sealed class ParameterSlotTests
{
    [Fact]
    public void FirstGradientOfAStepOverwritesAndLaterOnesAdd()
    {
        using var scope = NewDisposeScope();
        using var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), bucketBytes: 1024);
        var slot = parameters.Create("a", weightDecay: true, 2);
        Assert.False(slot.HasGradient);

        slot.Accumulate(Pair(1, 2));
        Assert.True(slot.HasGradient);
        slot.Accumulate(Pair(10, 20));
        Assert.Equal([11, 22], TensorValues.Of(slot.Gradient));

        parameters.BeginStep();
        Assert.False(slot.HasGradient);
        slot.Accumulate(Pair(5, 6));
        Assert.Equal([5, 6], TensorValues.Of(slot.Gradient));
    }

    [Fact]
    public void EveryWayToAccumulateStartsAndAddsAlike()
    {
        using var scope = NewDisposeScope();
        using var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float64), bucketBytes: 1024);
        var slot = parameters.Create("a", weightDecay: true, 2, 2);
        slot.Accumulate(TensorValues.Make(ScalarType.Float64, [2, 2], 9, 9, 9, 9));
        parameters.BeginStep();

        // [1 2]^T [3 4]
        var (left, right) = (TensorValues.Make(ScalarType.Float64, [1, 2], 1, 2), TensorValues.Make(ScalarType.Float64, [1, 2], 3, 4));
        slot.AccumulateMatmul(left, true, right, false);
        Assert.Equal([3, 4, 6, 8], TensorValues.Of(slot.Gradient));
        slot.AccumulateMatmul(left, true, right, false);
        Assert.Equal([6, 8, 12, 16], TensorValues.Of(slot.Gradient));
        slot.AccumulateRows(tensor(new[] { 1, 1 }), TensorValues.Make(ScalarType.Float64, [2, 2], 1, 0, 10, 100));
        Assert.Equal([6, 8, 23, 116], TensorValues.Of(slot.Gradient));

        parameters.BeginStep();
        slot.AccumulateRows(tensor(new[] { 1 }), TensorValues.Make(ScalarType.Float64, [1, 2], 7, 8));
        Assert.Equal([0, 0, 7, 8], TensorValues.Of(slot.Gradient));
    }

    [Fact]
    public void InputOfALibtorchOperationHandsItsGradientToTheSlot()
    {
        using var scope = NewDisposeScope();
        using var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), bucketBytes: 1024);
        var slot = parameters.Create("a", weightDecay: false, 2);
        using (no_grad())
        {
            slot.Parameter.copy_(Pair(3, 5));
        }

        // d(sum x^2)/dx = 2 x, and x is used twice.
        BackwardPass.Run((slot.AsInput() * slot.AsInput()).sum());

        Assert.Equal([6, 10], TensorValues.Of(slot.Gradient));
        Assert.True(slot.Parameter.grad is null);
    }

    private static Tensor Pair(double first, double second) => TensorValues.Make(ScalarType.Float32, [2], first, second);
}
