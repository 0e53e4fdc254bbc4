using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Layers;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Tests.Training;

/// <summary>Linear and Embedding with small whole numbers, so that every type has the exact result.</summary>
public sealed class LayerTests
{
    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void LinearMultipliesByTheTransposedMatrix(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var parameters = new ParameterBuckets(ComputeDevice.Host(dtype), bucketBytes: 1024);
        using var layer = new Linear("proj", parameters.Create("proj.weight", weightDecay: true, ParameterShard.Whole(2, 3)));
        var slot = Assert.Single(parameters.Slots);
        Assert.Equal("proj.weight", slot.Name);
        using (no_grad())
        {
            slot.Parameter.copy_(TensorValues.Make(dtype, [2, 3], 1, 2, 3, 4, 5, 6));
        }

        var input = TensorValues.Make(dtype, [2, 3], 1, 0, -1, 2, 1, 0).requires_grad_();

        var output = layer.forward(input);
        BackwardPass.Run((output * TensorValues.Make(dtype, [2, 2], 1, 10, 100, 1000)).sum());

        Assert.Equal([-2, -2, 4, 13], TensorValues.Of(output));
        // G W: (1, 10) and (100, 1000) times the rows (1 2 3) and (4 5 6).
        Assert.Equal([41, 52, 63, 4100, 5200, 6300], TensorValues.Of(input.grad!));
        // G^T X: column (1, 100) and column (10, 1000) times the rows (1 0 -1) and (2 1 0).
        Assert.Equal([201, 100, -1, 2010, 1000, -10], TensorValues.Of(slot.Gradient));
    }

    [Fact]
    public void LinearUsedTwiceSumsItsGradients()
    {
        using var scope = NewDisposeScope();
        using var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float64), bucketBytes: 1024);
        using var layer = new Linear("proj", parameters.Create("proj.weight", weightDecay: true, ParameterShard.Whole(1, 2)));
        var slot = parameters.Slots[0];
        using (no_grad())
        {
            slot.Parameter.copy_(TensorValues.Make(ScalarType.Float64, [1, 2], 1, 1));
        }

        var first = layer.forward(TensorValues.Make(ScalarType.Float64, [1, 2], 1, 2).requires_grad_());
        var second = layer.forward(TensorValues.Make(ScalarType.Float64, [1, 2], 30, 40).requires_grad_());
        BackwardPass.Run((first + second * 2).sum());

        Assert.Equal([61, 82], TensorValues.Of(slot.Gradient));
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void EmbeddingTakesRowsAndAddsTheirGradients(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var parameters = new ParameterBuckets(ComputeDevice.Host(dtype), bucketBytes: 1024);
        using var layer = new Embedding("embed", parameters.Create("embed.weight", weightDecay: true, ParameterShard.Whole(4, 2)));
        using (no_grad())
        {
            layer.Weight.Parameter.copy_(TensorValues.Make(dtype, [4, 2], 1, 2, 3, 4, 5, 6, 7, 8));
        }

        Assert.Equal("embed.weight", layer.Weight.Name);

        // Id 3 twice, id 1 never.
        var output = layer.forward(tensor(new[] { 3, 0, 3, 2 }));
        BackwardPass.Run((output * TensorValues.Make(dtype, [4, 2], 1, 2, 10, 20, 100, 200, -1, -2)).sum());

        Assert.Equal([7, 8, 1, 2, 7, 8, 5, 6], TensorValues.Of(output));
        Assert.Equal([10, 20, 0, 0, -1, -2, 101, 202], TensorValues.Of(layer.Weight.Gradient));
    }

    [Fact]
    public void MatrixThatIsEmbeddingAndHeadGetsBothGradients()
    {
        using var scope = NewDisposeScope();
        using var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float64), bucketBytes: 1024);
        using var layer = new Embedding("embed", parameters.Create("embed.weight", weightDecay: true, ParameterShard.Whole(3, 2)));
        using (no_grad())
        {
            layer.Weight.Parameter.copy_(TensorValues.Make(ScalarType.Float64, [3, 2], 1, 2, 3, 4, 5, 6));
        }

        var upstream = TensorValues.Make(ScalarType.Float64, [1, 3], 1, 10, 100);

        // Row 1 of W, then logits against all of W; the head's weight gradient is G^T h, its input's G W.
        var hidden = layer.forward(tensor(new[] { 1 }));
        var logits = hidden.matmul(layer.Weight.AsInput().t());
        BackwardPass.Run((logits * upstream).sum());

        // h = (3, 4): logits 1*3+2*4, 9+16, 15+24. G^T h: (3 4), (30 40), (300 400); to row 1 also G W = (531, 642).
        Assert.Equal([11, 25, 39], TensorValues.Of(logits));
        Assert.Equal([3, 4, 30 + 531, 40 + 642, 300, 400], TensorValues.Of(layer.Weight.Gradient));
    }

    [Fact]
    public void AddressOfATensorThatIsNotContiguousIsRefused()
    {
        using var scope = NewDisposeScope();
        Assert.Throws<ArgumentException>(() => TensorMemory.Address(zeros(2, 3).t()));
    }
}
