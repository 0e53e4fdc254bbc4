using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Tests.Training;

public sealed class ParameterBucketsTests
{
    [Fact]
    public void ParametersFillBucketsInTheOrderOfCreation()
    {
        // Ten elements of float32 fit.
        using var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), bucketBytes: 40);
        parameters.Create("a", weightDecay: true, 3);
        parameters.Create("norm", weightDecay: false, 4);
        parameters.Create("b", weightDecay: true, 1, 7);
        parameters.Create("c", weightDecay: true, 2);
        parameters.Create("large", weightDecay: true, 4, 4);
        parameters.Create("d", weightDecay: true, 1);
        parameters.Create("shift", weightDecay: false, 3, 2);

        Assert.Equal(["a b", "norm shift", "c", "large", "d"], parameters.Buckets.Select(bucket => string.Join(' ', bucket.Slots.Select(slot => slot.Name))));
        Assert.Equal([10, 10, 2, 16, 1], parameters.Buckets.Select(bucket => bucket.Length));
        Assert.Equal([10, 10, 10, 16, 10], parameters.Buckets.Select(bucket => bucket.Capacity));
        Assert.Equal([true, false, true, true, true], parameters.Buckets.Select(bucket => bucket.Traits.WeightDecay));
        Assert.Equal(["a", "norm", "b", "c", "large", "d", "shift"], parameters.Slots.Select(slot => slot.Name));
        Assert.Equal([0, 0, 3, 0, 0, 0, 4], parameters.Slots.Select(slot => slot.Offset));
        Assert.Equal([1, 7], parameters.Slots[2].Shape);
        Assert.Equal(39, parameters.GlobalElementCount);
    }

    [Fact]
    public void BytesOfABucketCountElementsOfTheType()
    {
        using var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float64), bucketBytes: 40);
        parameters.Create("a", weightDecay: true, 1);

        Assert.Equal(5, parameters.Buckets[0].Capacity);
    }

    [Fact]
    public void SlotsAreViewsOfTheBucketsMemory()
    {
        using var scope = NewDisposeScope();
        using var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), bucketBytes: 1024);
        var first = parameters.Create("first", weightDecay: true, 2);
        var second = parameters.Create("second", weightDecay: true, 2, 2);
        using (no_grad())
        {
            first.Parameter.copy_(TensorValues.Make(ScalarType.Float32, [2], 1, 2));
            second.Parameter.copy_(TensorValues.Make(ScalarType.Float32, [2, 2], 3, 4, 5, 6));
        }

        first.Accumulate(TensorValues.Make(ScalarType.Float32, [2], 10, 20));
        second.Accumulate(TensorValues.Make(ScalarType.Float32, [2, 2], 30, 40, 50, 60));

        var bucket = Assert.Single(parameters.Buckets);
        var flat = bucket.FlatParameters();
        Assert.Equal([1, 2, 3, 4, 5, 6], TensorValues.Of(flat));
        Assert.Equal([10, 20, 30, 40, 50, 60], TensorValues.Of(bucket.FlatGradients()));
        Assert.Equal(TensorMemory.Address(flat) + 2 * sizeof(float), TensorMemory.Address(second.Parameter));
        using (no_grad())
        {
            flat.mul_(2);
        }

        Assert.Equal([6, 8, 10, 12], TensorValues.Of(second.Parameter));
    }

    [Fact]
    public void NameStandsForOneParameter()
    {
        using var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), bucketBytes: 1024);
        parameters.Create("model.norm.weight", weightDecay: false, 4);

        var exception = Assert.Throws<ArgumentException>(() => parameters.Create("model.norm.weight", weightDecay: true, 2));

        Assert.Contains("model.norm.weight", exception.Message);
        Assert.Equal(4, parameters.GlobalElementCount);
    }

    [Fact]
    public void EmptyParametersAndBucketsAreRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), bucketBytes: 0));
        using var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), bucketBytes: 1024);
        Assert.Throws<ArgumentOutOfRangeException>(() => parameters.Create("none", weightDecay: true, 3, 0));
    }
}
