using TorchSharp;
using static TorchSharp.torch;

namespace KvShiftScale.Compat.Tests.Torch;

/// <summary>Each operation against numbers worked out by hand.</summary>
public sealed class TensorOperationTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    public static TheoryData<string, Func<Tensor, Tensor>, float[]> OfOne => new()
    {
        { "neg", x => -x, [-1, 2, -4] },
        { "abs", x => x.abs(), [1, 2, 4] },
        { "exp", x => x.exp(), [2.7182818f, 0.13533528f, 54.59815f] },
        { "log of abs", x => x.abs().log(), [0, 0.6931472f, 1.3862944f] },
        { "sqrt of abs", x => x.abs().sqrt(), [1, 1.4142135f, 2] },
        { "rsqrt of abs", x => x.abs().rsqrt(), [1, 0.70710678f, 0.5f] },
        { "sin", x => x.sin(), [0.84147098f, -0.90929743f, -0.7568025f] },
        { "cos", x => x.cos(), [0.54030231f, -0.41614684f, -0.65364362f] },
        // 1 / (1 + e^-x), and x times that.
        { "sigmoid", x => x.sigmoid(), [0.73105858f, 0.11920292f, 0.98201379f] },
        { "silu", x => x.silu(), [0.73105858f, -0.23840584f, 3.9280552f] },
        { "pow", x => x.pow(2), [1, 4, 16] },
        { "plus a number", x => x + 1.5, [2.5f, -0.5f, 5.5f] },
        { "minus a number", x => x - 1, [0, -3, 3] },
        { "times a number", x => x * 0.5, [0.5f, -1, 2] },
        { "by a number", x => x / 4, [0.25f, -0.5f, 1] },
        { "softmax", x => (x * 0 + x.gt(0).to(ScalarType.Float32) * 1000).softmax(0), [0.5f, 0, 0.5f] },
        { "cumsum", x => x.cumsum(0), [1, -1, 3] },
        { "sum", x => x.sum(), [3] },
        { "max", x => x.max(), [4] },
        { "masked_fill", x => x.masked_fill(x.gt(0), -7), [-7, -2, -7] },
        { "clone", x => x.clone(), [1, -2, 4] },
        { "alias", x => x.alias(), [1, -2, 4] },
    };

    [Theory]
    [MemberData(nameof(OfOne))]
    public void ElementwiseAndReductions(string name, Func<Tensor, Tensor> operation, float[] expected)
        => AssertClose(expected, operation(tensor([1f, -2f, 4f])), name);

    public static TheoryData<string, Func<Tensor, Tensor, Tensor>, float[]> OfTwo => new()
    {
        { "plus", (a, b) => a + b, [11, 22, 13, 24] },
        { "minus", (a, b) => a - b, [-9, -18, -7, -16] },
        { "times", (a, b) => a * b, [10, 40, 30, 80] },
        { "divided by", (a, b) => b / a, [10, 10, 10f / 3, 5] },
        { "in-place sum", (a, b) => a.clone().add_(b), [11, 22, 13, 24] },
        { "in-place scaled sum", (a, b) => a.clone().add_(b, -0.5), [-4, -8, -2, -6] },
    };

    [Theory]
    [MemberData(nameof(OfTwo))]
    public void ArithmeticBroadcasts(string name, Func<Tensor, Tensor, Tensor> operation, float[] expected)
        => AssertClose(expected, operation(tensor([1f, 2f, 3f, 4f]).view(2, 2), tensor([10f, 20f])), name);

    [Fact]
    public void ProductsOfMatrices()
    {
        var a = tensor([1f, 2f, 3f, 4f, 5f, 6f]).view(2, 3);
        var b = tensor([1f, 0f, -1f, 2f, 3f, 1f]).view(3, 2);
        // Row 1: 1*1 + 2*-1 + 3*3 = 8 and 1*0 + 2*2 + 3*1 = 7; row 2: 4 - 5 + 18 = 17 and 0 + 10 + 6 = 16.
        float[] product = [8, 7, 17, 16];
        AssertClose(product, a.mm(b), "mm");
        AssertClose(product, a.matmul(b), "matmul");
        AssertClose(product, mm(a, b), "torch.mm");
        AssertClose(product, matmul(a, b), "torch.matmul");
        AssertClose(product, nn.functional.linear(a, b.t()), "linear");
        AssertClose([9, 9, 18, 18], nn.functional.linear(a, b.t(), tensor([1f, 2f])), "linear with bias");
        AssertClose([5, 4.5f, 9.5f, 9], ones([2, 2]).addmm_(a, b, beta: 1, alpha: 0.5f), "addmm_");
    }

    [Fact]
    public void ShapesAndViews()
    {
        var x = arange(6, ScalarType.Float32);
        var matrix = x.view(2, 3);
        Assert.Equal([2, 3], matrix.shape);
        Assert.Equal((2, 2, 6, 3), (matrix.ndim, matrix.dim(), matrix.numel(), matrix.size(-1)));
        AssertClose([0, 3, 1, 4, 2, 5], matrix.t(), "t");
        AssertClose([0, 3, 1, 4, 2, 5], matrix.transpose(0, 1), "transpose");
        Assert.False(matrix.t().is_contiguous());
        Assert.True(matrix.t().contiguous().is_contiguous());
        AssertClose([0, 3, 1, 4, 2, 5], matrix.t().reshape(6), "reshape of a transposed tensor copies");
        AssertClose([1, 2, 4, 5], matrix.narrow(1, 1, 2), "narrow");
        AssertClose([3, 4, 5], matrix.select(0, 1), "select");
        Assert.Equal([2, 1, 3], matrix.unsqueeze(1).shape);
        Assert.Equal([4, 2, 3], matrix.unsqueeze(0).expand(4, -1, -1).shape);
        Assert.Equal(4, matrix.narrow(0, 1, 1).narrow(1, 1, 2).storage_offset());

        matrix.narrow(1, 0, 1).fill_(9);
        AssertClose([9, 1, 2, 9, 4, 5], x, "views share memory");
    }

    [Fact]
    public void JoinsAndIndices()
    {
        var a = tensor([1f, 2f]).view(1, 2);
        var b = tensor([3f, 4f]).view(1, 2);
        AssertClose([1, 2, 3, 4], cat([a, b]), "cat");
        AssertClose([1, 2, 3, 4], cat([a, b], 1), "cat of columns");
        Assert.Equal([1, 2, 2], stack([a, b], 1).shape);
        AssertClose([1, 3, 2, 4], stack([a, b], 2), "stack");

        var table = arange(6, ScalarType.Float32).view(3, 2);
        AssertClose([4, 5, 0, 1, 4, 5], table.index_select(0, tensor([2L, 0L, 2L])), "index_select");
        AssertClose([1, 2, 5], table.gather(1, tensor([1L, 0L, 1L]).view(3, 1)), "gather");
        AssertClose([0, 7, 8, 0], zeros(2, 2).scatter_(1, tensor([1L, 0L]).view(2, 1), tensor([7f, 8f]).view(2, 1)), "scatter_");
        // Row 1 gets half of (1, 1) and half of (2, 2).
        var sources = tensor([1f, 1f, 2f, 2f]).view(2, 2);
        AssertClose([0, 0, 1.5f, 1.5f], zeros(2, 2).index_add_(0, tensor([1L, 1L]), sources, 0.5), "index_add_");
    }

    [Fact]
    public void ReductionsOverDimensions()
    {
        var x = tensor([1f, 2f, 3f, 4f, 5f, 9f]).view(2, 3);
        AssertClose([5, 7, 12], x.sum(dim: 0), "sum of columns");
        Assert.Equal([2, 1], x.sum(1, keepdim: true).shape);
        AssertClose([2, 6], x.mean([1]), "mean");
        Assert.Equal([2L, 2L], x.argmax(1).data<long>().ToArray());
        Assert.Equal(ScalarType.Float64, x.sum(ScalarType.Float64).dtype);
        Assert.True(x.isfinite().all().item<bool>());
        Assert.False((x / zeros(3)).isfinite().all().item<bool>());
    }

    [Fact]
    public void OrderAndComparison()
    {
        var x = tensor([2f, 3f, 1f]);
        var (values, indices) = x.sort(descending: true);
        AssertClose([3, 2, 1], values, "sort");
        Assert.Equal([1L, 0L, 2L], indices.data<long>().ToArray());
        (_, indices) = tensor([1f, 1f, 0f, 1f]).sort(stable: true);
        Assert.Equal([2L, 0L, 1L, 3L], indices.data<long>().ToArray());

        var y = tensor([2f, 2f, 2f]);
        Assert.Equal([false, false, true], x.lt(y).data<bool>().ToArray());
        Assert.Equal([true, false, true], x.le(y).data<bool>().ToArray());
        Assert.Equal([true, false, false], x.eq(y).data<bool>().ToArray());
        Assert.Equal([false, true, false], x.eq(3).data<bool>().ToArray());
        Assert.Equal([false, true, false], (x.gt(1) & x.gt(2)).data<bool>().ToArray());
    }

    [Fact]
    public void SoftmaxAndLosses()
    {
        // e^0 : e^ln 3 = 1 : 3.
        var logits = tensor([0f, MathF.Log(3), 0f, 0f]).view(2, 2);
        AssertClose([0.25f, 0.75f, 0.5f, 0.5f], nn.functional.softmax(logits, -1), "softmax");
        AssertClose([-1.3862944f, -0.28768207f, -0.69314718f, -0.69314718f], logits.log_softmax(-1), "log_softmax");

        var targets = tensor([1L, 0L]);
        var (first, second) = (0.28768207f, 0.69314718f);
        AssertClose([(first + second) / 2], nn.functional.cross_entropy(logits, targets), "mean");
        AssertClose([first + second], nn.functional.cross_entropy(logits, targets, reduction: nn.Reduction.Sum), "sum");
        AssertClose([first, second], nn.functional.cross_entropy(logits, targets, reduction: nn.Reduction.None), "none");
        AssertClose([second], nn.functional.cross_entropy(logits, tensor([-100L, 0L])), "-100 is no target");
    }

    [Fact]
    public void CausalAttention()
    {
        // The first query sees the first value only. The second scores 0 and sqrt(2) * ln 3 / sqrt(2) = ln 3: weights 1/4 and 3/4.
        var query = tensor([5f, 5f, 1f, 0f]).view(1, 1, 2, 2);
        var key = tensor([0f, 9f, MathF.Sqrt(2) * MathF.Log(3), -9f]).view(1, 1, 2, 2);
        var value = tensor([8f, 4f, 0f, 20f]).view(1, 1, 2, 2);
        AssertClose([8, 4, 2, 16], nn.functional.scaled_dot_product_attention(query, key, value, is_casual: true), "causal");
    }

    [Fact]
    public void InPlaceOperationsReturnTheSameObject()
    {
        var x = tensor([1f, 2f]);
        Assert.Same(x, x.mul_(3));
        AssertClose([3, 6], x, "mul_");
        Assert.Same(x, x.copy_(tensor([4L, 5L])));
        AssertClose([4, 5], x, "copy_ converts");
        Assert.Same(x, x.zero_());
        AssertClose([0, 0], x, "zero_");
    }

    [Fact]
    public void FactoriesAndTypes()
    {
        Assert.Equal((ScalarType.Int64, ScalarType.Float32), (arange(3).dtype, arange(0.5, 3).dtype));
        Assert.Equal([0.5f, 1.5f, 2.5f], arange(0.5, 3).data<float>().ToArray());
        Assert.Equal([2L, 3L], arange(2, 4).data<long>().ToArray());
        Assert.Equal((float32, float64, int32, int64), (tensor([1f]).dtype, tensor([1.0]).dtype, tensor([1]).dtype, tensor([1L]).dtype));
        Assert.Equal([1, 2], tensor([1.9f, 2.1f], ScalarType.Int32).data<int>().ToArray());
        Assert.Equal([2, 3], empty(2, 3).shape);
        Assert.Equal(bfloat16, empty(5, bfloat16).dtype);
        Assert.True(zeros(2, requires_grad: true).requires_grad);
        Assert.Equal("cpu", empty([1]).device.ToString());
        Assert.Equal((DeviceType.CUDA, 1), (device("cuda:1").type, device("cuda:1").index));
        Assert.Throws<ArgumentException>(() => device("abacus"));
    }

    [Fact]
    public void ConversionsCopyOnlyWhereTheyMust()
    {
        var x = tensor([1f, 2f]);
        x.to(ScalarType.Float32).fill_(5);
        AssertClose([5, 5], x, "same type: same memory");
        x.to(ScalarType.Float32, copy: true).fill_(6);
        AssertClose([5, 5], x, "copy");
        var y = x.to(ScalarType.Float64, CPU, disposeAfter: true);
        Assert.True(x.IsInvalid);
        Assert.Equal([5.0, 5.0], y.data<double>().ToArray());
    }

    private static void AssertClose(float[] expected, Tensor actual, string operation)
    {
        var values = actual.data<float>().ToArray();
        Assert.True(values.Length == expected.Length, $"{operation}: {values.Length} elements, expected {expected.Length}");
        for (var i = 0; i < expected.Length; i++)
        {
            // A few roundings of float32.
            var tolerance = 1e-6f * (1 + MathF.Abs(expected[i]));
            Assert.True(MathF.Abs(values[i] - expected[i]) <= tolerance, $"{operation}[{i}]: {values[i]}, expected {expected[i]}");
        }
    }
}
